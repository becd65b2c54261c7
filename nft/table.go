package nft

// TableFlags are properties of a table.
type TableFlags uint32

// The kernel's table flags.
const (
	// TableDormant takes the table's base chains out of the packet path.
	TableDormant TableFlags = 1 << iota
	// TableOwner binds the table to the socket that made it: nobody else can
	// change it and it disappears with the socket (Linux 5.12).
	TableOwner
	// TablePersist lets an owned table outlive its socket (Linux 6.9).
	TablePersist
)

// String lists the flags as nft does: "dormant,owner".
func (f TableFlags) String() string {
	return bitNames(uint32(f), []bitName{{1, "dormant"}, {2, "owner"}, {4, "persist"}})
}

// A TableRef names a table: family and name together are unique.
type TableRef struct {
	Family Family
	Name   string
}

// String returns the reference as nft writes it: "ip seawall".
func (t TableRef) String() string { return t.Family.String() + " " + t.Name }

// Chain returns the reference of a chain in the table.
func (t TableRef) Chain(name string) ChainRef { return ChainRef{Table: t, Name: name} }

// Set returns the reference of a set or map in the table.
func (t TableRef) Set(name string) SetRef { return newSetRef(t, name) }

// A Table holds chains and sets. It is a comparable value.
type Table struct {
	Family Family
	Name   string
	Flags  TableFlags
	// Open says that others keep objects in the table too: Diff then deletes
	// nothing in it that it does not know, and never the table: a Comment and
	// Userdata hold only for a table that is made. Open is a wish of the caller
	// and not stored in the kernel.
	Open bool
	// Comment is shown by nft; at most 128 bytes.
	Comment string
	// Userdata is opaque to the kernel and to nft and comes back from Load.
	// Comment and Userdata share 254 bytes.
	Userdata string
}

// Ref returns the table's reference.
func (t Table) Ref() TableRef { return TableRef{t.Family, t.Name} }
