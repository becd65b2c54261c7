package nft

import "fmt"

// A VerdictKind says what happens to a packet.
type VerdictKind uint8

// The verdicts. NoVerdict, the zero value, is the absence of one.
const (
	NoVerdict VerdictKind = iota
	VerdictAccept
	VerdictDrop
	VerdictContinue
	VerdictReturn
	VerdictJump
	VerdictGoto
)

// A Verdict ends the evaluation of a rule. It is a [Statement], and the data of
// the elements of a verdict map.
type Verdict struct {
	Kind VerdictKind
	// Chain is where Jump and Goto lead: a regular chain of the same table.
	Chain string
}

// Accept lets the packet pass this hook's chain; later base chains still see it.
func Accept() Verdict { return Verdict{Kind: VerdictAccept} }

// Drop discards the packet at once.
func Drop() Verdict { return Verdict{Kind: VerdictDrop} }

// Continue goes on with the next rule.
func Continue() Verdict { return Verdict{Kind: VerdictContinue} }

// Return goes back to the calling chain, or to the policy of a base chain.
func Return() Verdict { return Verdict{Kind: VerdictReturn} }

// Jump evaluates a regular chain of the same table and then comes back.
func Jump(chain string) Verdict { return Verdict{Kind: VerdictJump, Chain: chain} }

// Goto evaluates a regular chain of the same table and does not come back.
func Goto(chain string) Verdict { return Verdict{Kind: VerdictGoto, Chain: chain} }

// String returns the verdict in nft syntax.
func (v Verdict) String() string {
	switch v.Kind {
	case VerdictAccept:
		return "accept"
	case VerdictDrop:
		return "drop"
	case VerdictContinue:
		return "continue"
	case VerdictReturn:
		return "return"
	case VerdictJump:
		return "jump " + v.Chain
	case VerdictGoto:
		return "goto " + v.Chain
	}
	return fmt.Sprintf("verdict(%d)", uint8(v.Kind))
}

// The kernel's verdict codes (NF_DROP, NF_ACCEPT, NFT_CONTINUE, …).
var verdictCodes = [...]int32{
	VerdictAccept:   1,
	VerdictDrop:     0,
	VerdictContinue: -1,
	VerdictReturn:   -5,
	VerdictJump:     -3,
	VerdictGoto:     -4,
}

// code returns the kernel's number for the verdict.
func (v Verdict) code() uint32 { return uint32(verdictCodes[v.Kind]) }

// verdictFromCode is the inverse of code.
func verdictFromCode(code uint32, chain string) (Verdict, bool) {
	for kind, c := range verdictCodes {
		if VerdictKind(kind) != NoVerdict && uint32(c) == code {
			return Verdict{Kind: VerdictKind(kind), Chain: chain}, true
		}
	}
	return Verdict{}, false
}
