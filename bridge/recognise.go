package bridge

import (
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// recognise gives rules of ours that have lost their keys back to us. What loads
// a ruleset from text, as iptables-restore does, keeps a rule and nothing else. A
// rule without a key that does the same as one of ours that is missing in the
// same chain is that one. Only chains that others use, too, are looked at: in our
// own ones, such a rule is drift.
func recognise(have, own *nft.Ruleset) {
	for _, t := range own.Tables() {
		for _, c := range own.Chains(t.Ref()) {
			if c.Open || c.Shared {
				recogniseIn(have.Rules(c.Ref()), own.Rules(c.Ref()))
			}
		}
	}
}

func recogniseIn(have, own []*nft.Rule) {
	there := map[string]bool{}
	nameless := map[string][]*nft.Rule{}
	for _, h := range have {
		there[h.Key] = true
		if what, ok := h.Signature(); ok && h.Key == "" {
			nameless[what] = append(nameless[what], h)
		}
	}
	if len(nameless) == 0 {
		return
	}
	for _, r := range own {
		if there[r.Key] {
			continue
		}
		what, _ := r.Signature()
		for i, h := range nameless[what] {
			if h.Comment == r.Comment {
				// It was just loaded, and is nobody else's yet.
				h.Key, h.Rank, h.Userdata = r.Key, r.Rank, r.Userdata
				nameless[what] = slices.Delete(nameless[what], i, i+1)
				break
			}
		}
	}
}

// recogniseAtHead does the same where nothing tells that there were rules of ours
// before: what a host's own service restores when it starts. Only if all that we
// would put into a chain is there, and before everything else, it is what we have
// left; a rule elsewhere is somebody's who wanted it there.
func recogniseAtHead(have, own *nft.Ruleset) {
	for _, t := range own.Tables() {
		for _, c := range own.Chains(t.Ref()) {
			there, wanted := have.Rules(c.Ref()), own.Rules(c.Ref())
			if c.Shared && len(there) >= len(wanted) && slices.EqualFunc(there[:len(wanted)], wanted, sameButName) {
				recogniseIn(there[:len(wanted)], wanted)
			}
		}
	}
}

// sameButName tells whether a rule that was loaded is one of ours without its key.
func sameButName(h, r *nft.Rule) bool {
	is, ok := h.Signature()
	want, _ := r.Signature()
	return ok && is == want && h.Key == "" && h.Comment == r.Comment
}
