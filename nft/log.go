package nft

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A LogLevel is the urgency of a line in the kernel's log.
type LogLevel uint8

// The levels. LogDefault, the zero value, is what the kernel takes: LogWarn.
const (
	LogDefault LogLevel = iota
	LogEmerg
	LogAlert
	LogCrit
	LogErr
	LogWarn
	LogNotice
	LogInfo
	LogDebug
	// LogAudit makes an event of the kernel's audit instead of a line.
	LogAudit
)

var logLevels = [...]string{"default", "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

// String returns nft's word for the level.
func (l LogLevel) String() string {
	if int(l) >= len(logLevels) {
		return fmt.Sprintf("level(%d)", uint8(l))
	}
	return logLevels[l]
}

// LogFlags say what else a line in the kernel's log tells (the kernel's NF_LOG_*).
type LogFlags uint32

// The flags.
const (
	LogTCPSequence LogFlags = 1 << 0
	LogTCPOptions  LogFlags = 1 << 1
	LogIPOptions   LogFlags = 1 << 2
	LogUID         LogFlags = 1 << 3
	// LogMAC decodes the link header.
	LogMAC LogFlags = 1 << 5

	logAllFlags = LogTCPSequence | LogTCPOptions | LogIPOptions | LogUID | LogMAC
)

// String lists the flags as nft does, each with the word before it.
func (f LogFlags) String() string {
	if f == logAllFlags {
		return "flags all"
	}
	var words []string
	switch f & (LogTCPSequence | LogTCPOptions) {
	case LogTCPSequence:
		words = append(words, "flags tcp sequence")
	case LogTCPOptions:
		words = append(words, "flags tcp options")
	case LogTCPSequence | LogTCPOptions:
		words = append(words, "flags tcp sequence,options")
	}
	for _, w := range []struct {
		flag LogFlags
		word string
	}{{LogIPOptions, "flags ip options"}, {LogUID, "flags skuid"}, {LogMAC, "flags ether"}} {
		if f&w.flag != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}

// A Log is a statement that notes the packet: in the kernel's log or, with
// Netlink, for a program that listens to a group of nfnetlink_log.
type Log struct {
	// Prefix is what the note begins with; at most 127 bytes without NUL. nft
	// has no way to write a quotation mark in it.
	Prefix string
	// Level and Flags are for the kernel's log only.
	Level LogLevel
	Flags LogFlags

	// Netlink sends the packet to Group instead of the kernel's log.
	Netlink bool
	Group   uint16
	// Snaplen is how many bytes of the packet are sent; 0 is all of it. NoPacket
	// sends nothing of it, only what is known about it (nft's "snaplen 0").
	Snaplen  uint32
	NoPacket bool
	// Threshold is how many packets the kernel collects before it sends them; 0
	// is the listener's choice.
	Threshold uint16
}

// maxLogPrefix is the kernel's NF_LOG_PREFIXLEN without the final zero byte.
const maxLogPrefix = 127

// String returns the statement in nft syntax.
func (l Log) String() string {
	words := []string{"log"}
	if l.Prefix != "" {
		words = append(words, "prefix "+quote(l.Prefix))
	}
	if l.Netlink {
		words = append(words, fmt.Sprintf("group %d", l.Group))
		if l.Snaplen != 0 || l.NoPacket {
			words = append(words, fmt.Sprintf("snaplen %d", l.Snaplen))
		}
		if l.Threshold != 0 {
			words = append(words, fmt.Sprintf("queue-threshold %d", l.Threshold))
		}
		return strings.Join(words, " ")
	}
	if l.Level != LogDefault && l.Level != LogWarn {
		words = append(words, "level "+l.Level.String())
	}
	if l.Flags != 0 {
		words = append(words, l.Flags.String())
	}
	return strings.Join(words, " ")
}

func (l Log) check() error {
	switch {
	case len(l.Prefix) > maxLogPrefix || strings.Contains(l.Prefix, "\x00"):
		return fmt.Errorf("the prefix has %d bytes: at most %d, none of them zero", len(l.Prefix), maxLogPrefix)
	case int(l.Level) >= len(logLevels) || l.Flags&^logAllFlags != 0:
		return fmt.Errorf("%s or 0x%x is not known", l.Level, uint32(l.Flags))
	case l.Netlink && (l.Level != LogDefault || l.Flags != 0):
		return fmt.Errorf("level and flags are for the kernel's log, not for a group")
	case l.NoPacket && l.Snaplen != 0:
		return fmt.Errorf("%d bytes of no packet", l.Snaplen)
	case !l.Netlink && (l.Group != 0 || l.Snaplen != 0 || l.NoPacket || l.Threshold != 0):
		return fmt.Errorf("group, snaplen and threshold are for Netlink, not for the kernel's log")
	}
	return nil
}

func (l Log) compile(c *compiler) {
	if err := l.check(); err != nil {
		c.fail("%w", err)
		return
	}
	c.expression("log", func(e *encoder) {
		if l.Prefix != "" {
			e.str(unix.NFTA_LOG_PREFIX, l.Prefix)
		}
		if l.Netlink {
			e.u16(unix.NFTA_LOG_GROUP, l.Group)
			if l.Snaplen != 0 || l.NoPacket { // the kernel takes 0 for "nothing of the packet"
				e.u32(unix.NFTA_LOG_SNAPLEN, l.Snaplen)
			}
			if l.Threshold != 0 {
				e.u16(unix.NFTA_LOG_QTHRESHOLD, l.Threshold)
			}
			return
		}
		level := l.Level
		if level == LogDefault {
			level = LogWarn
		}
		e.u32(unix.NFTA_LOG_LEVEL, uint32(level-LogEmerg))
		if l.Flags != 0 {
			e.u32(unix.NFTA_LOG_FLAGS, uint32(l.Flags))
		}
	})
}

// log reads a note.
func (d *decompiler) log() int {
	e := &d.in[0]
	l := Log{Prefix: e.attrs[unix.NFTA_LOG_PREFIX], Netlink: e.has(unix.NFTA_LOG_GROUP)}
	l.Group, l.Threshold = e.short(unix.NFTA_LOG_GROUP), e.short(unix.NFTA_LOG_QTHRESHOLD)
	l.Snaplen, l.Flags = e.number(unix.NFTA_LOG_SNAPLEN), LogFlags(e.number(unix.NFTA_LOG_FLAGS))
	if e.has(unix.NFTA_LOG_LEVEL) {
		level := e.number(unix.NFTA_LOG_LEVEL)
		if level > uint32(LogAudit-LogEmerg) {
			return 0
		}
		l.Level = LogLevel(level) + LogEmerg
	}
	l.NoPacket = e.has(unix.NFTA_LOG_SNAPLEN) && l.Snaplen == 0
	if l.check() != nil {
		return 0
	}
	d.emit(l)
	return 1
}

// u16 appends an attribute in network byte order.
func (e *encoder) u16(typ uint16, v uint16) {
	e.bytes(typ, string(binary.BigEndian.AppendUint16(nil, v)))
}

// short is the value of an attribute of 2 bytes; 0 if absent.
func (e *expression) short(attr int) uint16 {
	if len(e.attrs[attr]) != 2 {
		return 0
	}
	return binary.BigEndian.Uint16([]byte(e.attrs[attr]))
}
