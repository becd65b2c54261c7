package iptables

import (
	"strconv"
	"unicode/utf8"

	"github.com/seawall-net/seawall/nft"
)

// logTarget notes packets in the kernel's log.
type logTarget struct {
	level  uint8
	flags  nft.LogFlags
	prefix string
}

// logDefaultLevel is "warning".
const logDefaultLevel = 4

var logFlagOptions = []struct {
	name string
	flag nft.LogFlags
}{
	{"log-tcp-sequence", nft.LogTCPSequence}, {"log-tcp-options", nft.LogTCPOptions}, {"log-ip-options", nft.LogIPOptions},
	{"log-uid", nft.LogUID}, {"log-macdecode", nft.LogMAC},
}

func targetLOG() *Module {
	opts := []Option{
		{Name: "log-level", Kind: KindLogLevel, Value: "level"},
		{Name: "log-prefix", Kind: KindText, Min: 1, Value: "text"},
	}
	for _, f := range logFlagOptions {
		opts = append(opts, Option{Name: f.name})
	}
	return &Module{
		Name: "LOG", Target: true, Options: opts,
		parse: func(a *arguments) extension {
			t := logTarget{level: logDefaultLevel, prefix: cutText(a.text("log-prefix"), 29)}
			if a.has("log-level") {
				t.level = uint8(a.number("log-level"))
			}
			for _, f := range logFlagOptions {
				if a.has(f.name) {
					t.flags |= f.flag
				}
			}
			return t
		},
		decode: func(s *structure) extension {
			s.only(0)
			t := logTarget{level: s.u8(), flags: nft.LogFlags(s.u8()), prefix: s.text(30)}
			rest := t.flags
			for _, f := range logFlagOptions {
				rest &^= f.flag
			}
			if t.level > 7 || rest != 0 {
				s.fail("unknown level or flags")
			}
			return t
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			l, ok := s.(nft.Log)
			if l.Level == nft.LogDefault {
				l.Level = nft.LogWarn
			}
			ok = ok && !l.Netlink && l.Level <= nft.LogDebug && len(l.Prefix) <= 29
			return logTarget{level: uint8(l.Level - nft.LogEmerg), flags: l.Flags, prefix: l.Prefix}, ok
		},
	}
}

// cutText cuts a text to n bytes, as iptables does, but not within a character.
func cutText(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func (t logTarget) format(w *words) {
	if t.prefix != "" {
		w.option(false, "log-prefix")
		w.quote(t.prefix)
	}
	if t.level != logDefaultLevel {
		w.option(false, "log-level", strconv.Itoa(int(t.level)))
	}
	for _, f := range logFlagOptions {
		if t.flags&f.flag != 0 {
			w.option(false, f.name)
		}
	}
}

// xt is struct xt_log_info.
func (t logTarget) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(t.level)
	l.u8(uint8(t.flags))
	l.text(t.prefix, 30)
	return 0, l.b
}

func (t logTarget) nativeForm(*Rule) ([]nft.Statement, bool) {
	return []nft.Statement{nft.Log{Prefix: t.prefix, Level: nft.LogEmerg + nft.LogLevel(t.level), Flags: t.flags}}, true
}
