// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/runtime"
)

// The tables follow the experimental channel's CRDs. Here: an object of a cluster that has the standard channel's is judged no worse.

func (c *comparison) compareStandard(line []byte, o object, ours answer, theirs []fault, did []step) {
	faults := c.standard.judge(runtime.DeepCopyJSON(o))
	why := standardDisagreement(ours, theirs, faults)
	if why == "" {
		c.t.check(true, "")
	} else {
		c.t.check(false, "differ: standard %s: %s: %s\n  ours: %v\n  theirs: %v\n  %s", c.v.key(), told(did), why, ours, faults, brief(line))
	}
	if len(faults) == 0 {
		c.standardAccepted++
	}
}

// standardAlone: the bases without what only the experimental channel has, and their changes; a sample, since all else was compared above.
func (c *comparison) standardAlone(own []object) error {
	if c.standard == nil {
		return nil
	}
	var bases []object
	for _, o := range own {
		if o = c.forStandard(runtime.DeepCopyJSON(o)); o != nil {
			bases = append(bases, o)
		}
	}
	if !c.t.check(len(bases) > 0, "differ: standard %s: there is no base", c.v.key()) {
		return nil
	}
	m := newMutator(c.standard, bases)
	for _, o := range bases {
		for i, one := range m.steps(o) {
			changed := runtime.DeepCopyJSON(o)
			if i%sampledStandard != 0 || !one.apply(changed) {
				continue
			}
			line := encode(changed)
			ours, err := c.probe.judge(line)
			if err != nil {
				return err
			}
			c.compareStandard(line, changed, ours, nil, []step{one})
		}
	}
	return nil
}

// forStandard leaves out what only the experimental channel has: unknown fields, then, one by one, items that are at fault. nil: nothing is left.
func (c *comparison) forStandard(o object) object {
	pruning.PruneWithOptions(o, c.standard.structural, true, schema.UnknownFieldPathOptions{})
	for range leftOutMax {
		faults := c.standard.judge(runtime.DeepCopyJSON(o))
		if len(faults) == 0 {
			return o
		}
		if !leaveOut(o, faults[0].path) {
			return nil
		}
	}
	return nil
}

var lastItem = regexp.MustCompile(`^(.*)\[(\d+)\][^\[]*$`)

// leaveOut removes the item of the innermost list that this path leads to.
func leaveOut(o object, path string) bool {
	found := lastItem.FindStringSubmatch(path)
	if found == nil {
		return false
	}
	at, _ := strconv.Atoi(found[2])
	var in interface{} = o
	words := strings.FieldsFunc(found[1], func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	for i, word := range words {
		var next interface{}
		switch value := in.(type) {
		case object:
			next = value[word]
			if list, ok := next.([]interface{}); ok && i == len(words)-1 && at < len(list) {
				value[word] = append(append([]interface{}{}, list[:at]...), list[at+1:]...)
				return true
			}
		case []interface{}:
			if k, err := strconv.Atoi(word); err == nil && k < len(value) {
				next = value[k]
			}
		}
		in = next
	}
	return false
}

// standardDisagreement: whatever the standard channel's CRDs accept is accepted. What they refuse may be accepted, when the experimental channel's
// accept it: those tables are ours. experimental is nil where that was not asked.
func standardDisagreement(ours answer, experimental, standard []fault) string {
	if !ours.Accepted && len(standard) == 0 && !stricter(ours) {
		return "accepted in the standard channel"
	}
	for _, f := range standard {
		if f.message == "unknown field" {
			return ""
		}
	}
	if ours.Accepted && experimental != nil && len(experimental) == 0 && len(standard) > 0 {
		return "refused in the standard channel alone"
	}
	return ""
}

// What the experimental channel's CRDs forbid and the standard channel's do not, though both have the fields: all that an object of a standard
// cluster can be refused for. Three are of no use to anybody there; a header's value that is not printable ASCII is refused on purpose.
var strictness = []string{
	"must be printable ASCII, without spaces at the ends or two in a row",
	"must not be given for an XBackend: it has its own",
	"must not be given for a ClusterTrustBundle: it is cluster-scoped",
	"and only one of them has a sectionName or port",
}

func stricter(ours answer) bool {
	for _, one := range ours.Findings {
		if !slices.ContainsFunc(strictness, func(rule string) bool { return strings.Contains(one.Message, rule) }) {
			return false
		}
	}
	return len(ours.Findings) > 0
}
