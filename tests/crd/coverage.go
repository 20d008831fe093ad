// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// coverage tells for each constraint and each expression whether an object was accepted that has something there to judge, and whether one was
// refused for it.
type coverage struct {
	v                 *version
	wanted            map[string]string // "path: constraint" -> what the API server says of a breach
	paths             map[string][]string
	accepted, refused map[string]bool
}

func newCoverage(v *version) *coverage {
	c := &coverage{v: v, wanted: map[string]string{}, paths: map[string][]string{}, accepted: map[string]bool{}, refused: map[string]bool{}}
	each("", &v.props, func(path string, s *apiextensionsv1.JSONSchemaProps) {
		if path != "spec" && !strings.HasPrefix(path, "spec.") && path != "" {
			return
		}
		for _, name := range s.Required {
			c.want(path+"."+name, "required", "Required value")
		}
		if path == "" {
			return
		}
		c.want(path, "type "+s.Type, "Invalid value: \"")
		number := func(name string, given bool, says string) {
			if given {
				c.want(path, name, says)
			}
		}
		number("enum", len(s.Enum) > 0, "Unsupported value")
		number("pattern", s.Pattern != "", "should match")
		number("minLength", s.MinLength != nil && *s.MinLength > 0, "should be at least")
		number("maxLength", s.MaxLength != nil, "Too long")
		number("minimum", s.Minimum != nil, "should be greater than or equal to")
		number("maximum", s.Maximum != nil, "should be less than or equal to")
		number("minItems", s.MinItems != nil && *s.MinItems > 0, "should have at least")
		number("maxItems", s.MaxItems != nil, "Too many")
		number("minProperties", s.MinProperties != nil, "should have at least")
		number("maxProperties", s.MaxProperties != nil, "Too many")
		number("unique", s.XListType != nil && *s.XListType != "atomic", "Duplicate value")
		for i, rule := range s.XValidations {
			if !strings.Contains(rule.Rule, "oldSelf") {
				c.want(path, fmt.Sprintf("rule %d: %s", i, rule.Message), rule.Message)
			}
		}
	})
	return c
}

func (c *coverage) want(path, constraint, says string) {
	path = strings.TrimPrefix(path, ".")
	if strings.HasPrefix(path, "spec") {
		key := path + ": " + constraint
		c.wanted[key] = says
		c.paths[path] = append(c.paths[path], key)
	}
}

func (c *coverage) note(judged object, faults []fault) {
	for _, f := range faults {
		path := general(f.path)
		for _, key := range c.keys(path) {
			if strings.Contains(f.message, c.wanted[key]) || strings.Contains(key, ": type") && strings.Contains(f.message, "must be of type") {
				c.refused[key] = true
			}
			if strings.Contains(key, ": unique") && strings.Contains(f.message, "Duplicate") {
				c.refused[key] = true
			}
		}
	}
	if len(faults) == 0 {
		c.walk("spec", judged["spec"])
	}
}

// keys of a place, of the list that it is an item of, and of the map that it is a value of.
func (c *coverage) keys(path string) []string {
	keys := append([]string{}, c.paths[path]...)
	if list := strings.TrimSuffix(path, "[]"); list != path {
		for _, key := range c.paths[list] {
			if strings.Contains(key, ": unique") {
				keys = append(keys, key)
			}
		}
	}
	for at, below := range c.paths {
		if m := strings.TrimSuffix(at, ".*"); m != at && strings.HasPrefix(path, m+".") {
			keys = append(keys, below...)
		}
	}
	return keys
}

func (c *coverage) walk(path string, value interface{}) {
	for _, key := range c.paths[path] {
		c.accepted[key] = true
	}
	switch value := value.(type) {
	case object:
		for name, below := range value {
			c.walk(path+"."+name, below)
			c.walk(path+".*", below)
		}
	case []interface{}:
		for _, below := range value {
			c.walk(path+"[]", below)
		}
	}
}

// isWhole: has all that is asked for at the place that a step begins with been seen?
func (c *coverage) isWhole(what string) bool {
	path, _, _ := strings.Cut(what, " ")
	for _, key := range c.keys(path) {
		if !c.accepted[key] || !c.refused[key] {
			return false
		}
	}
	return true
}

func (c *coverage) report(t *tally) {
	for _, key := range sortedKeys(c.wanted) {
		t.check(c.accepted[key], "coverage: %s: nothing was accepted for %s", c.v.key(), key)
		t.check(c.refused[key] || implied(key), "coverage: %s: nothing was refused for %s", c.v.key(), key)
	}
}

// implied: a constraint that nothing can break alone, since another one of the same field is stronger.
func implied(key string) bool { return false }
