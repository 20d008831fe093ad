// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"reflect"
	"sort"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The flags of src/schema/schema.h.
const (
	flagRequired     = 1
	flagExperimental = 4
	flagUnique       = 16
)

// row is a field as `crd_probe tables` prints it.
type row struct {
	Kind, Version, Part, Path, Type, Keys string
	Default, Pattern, KeyPattern          *string
	Flags                                 int
	Min, Max, ItemMin, ItemMax            int64
	Values                                []string
}

func readTables(probe string) (map[string]map[string]row, error) {
	out, err := exec.Command(probe, "tables").Output()
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]row{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		key := r.Kind + " " + r.Version
		if all[key] == nil {
			all[key] = map[string]row{}
		}
		all[key][r.Path] = r
	}
	return all, nil
}

const durationPattern = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"

// facts are what a schema asks of a field, in words that are the same for both sides.
type facts map[string]string

func (f facts) number(name string, n *int64) {
	if n != nil {
		f[name] = strconv.FormatInt(*n, 10)
	}
}

func deref(f *float64) *int64 {
	if f == nil {
		return nil
	}
	n := int64(*f)
	return &n
}

func words(list []string) string {
	list = append([]string{}, list...)
	sort.Strings(list)
	return strings.Join(list, " ")
}

func enumOf(s *apiextensionsv1.JSONSchemaProps) []string {
	var list []string
	for _, e := range s.Enum {
		list = append(list, strings.Trim(string(e.Raw), `"`))
	}
	return list
}

func crdFacts(s *apiextensionsv1.JSONSchemaProps, required bool) facts {
	f := facts{"type": s.Type}
	if required {
		f["required"] = "true"
	}
	string_ := func(prefix string, s *apiextensionsv1.JSONSchemaProps) {
		if s.Pattern != "" {
			f[prefix+"pattern"] = s.Pattern
		}
		f.number(prefix+"maxLength", s.MaxLength)
		if s.MinLength != nil && *s.MinLength > 0 {
			f.number(prefix+"minLength", s.MinLength)
		}
		if len(s.Enum) > 0 {
			f[prefix+"enum"] = words(enumOf(s))
		}
	}
	switch s.Type {
	case "array":
		f["type"] = "array of " + s.Items.Schema.Type
		f.number("maxItems", s.MaxItems)
		f.number("minItems", s.MinItems)
		if s.XListType != nil && *s.XListType == "map" {
			f["keys"] = words(s.XListMapKeys)
		}
		if s.XListType != nil && *s.XListType == "set" {
			f["unique"] = "true"
		}
		if s.Items.Schema.Type != "object" {
			string_("item ", s.Items.Schema)
			f.number("item minimum", deref(s.Items.Schema.Minimum))
			f.number("item maximum", deref(s.Items.Schema.Maximum))
		}
	case "object":
		if s.AdditionalProperties != nil {
			f["type"] = "map"
			f.number("maxProperties", s.MaxProperties)
			string_("item ", s.AdditionalProperties.Schema)
		}
		if s.MinProperties != nil {
			f.number("minProperties", s.MinProperties)
		}
	case "integer":
		f.number("minimum", deref(s.Minimum))
		f.number("maximum", deref(s.Maximum))
		if len(s.Enum) > 0 {
			f["enum"] = words(enumOf(s))
			delete(f, "minimum")
			delete(f, "maximum")
		}
		if f["maximum"] == "" && s.Format == "int32" && len(s.Enum) == 0 && f["minimum"] != "" {
			f["maximum"] = strconv.Itoa(math.MaxInt32)
		}
	default:
		string_("", s)
	}
	return f
}

func ourFacts(r row) facts {
	f := facts{}
	bound := func(name string, n int64) {
		if n != 0 && n != math.MaxInt64 {
			f[name] = strconv.FormatInt(n, 10)
		}
	}
	text := func(prefix string, min, max int64) {
		bound(prefix+"minLength", min)
		bound(prefix+"maxLength", max)
		if r.Pattern != nil {
			f[prefix+"pattern"] = *r.Pattern
		}
		if r.Values != nil {
			f[prefix+"enum"] = words(r.Values)
		}
	}
	if r.Flags&flagRequired != 0 {
		f["required"] = "true"
	}
	if r.Flags&flagUnique != 0 {
		f["unique"] = "true"
	}
	if r.Keys != "" {
		f["keys"] = words(strings.Split(r.Keys, ","))
	}
	f["type"] = r.Type
	switch r.Type {
	case "string":
		text("", r.Min, r.Max)
	case "duration":
		f["type"], f["pattern"] = "string", durationPattern
	case "integer":
		if r.Max > 0 || r.Min != 0 {
			f["minimum"] = strconv.FormatInt(r.Min, 10)
		}
		bound("maximum", r.Max)
		if r.Values != nil {
			f["enum"] = words(r.Values)
		}
	case "strings", "integers", "objects":
		f["type"] = "array of " + strings.TrimSuffix(r.Type, "s")
		bound("minItems", r.Min)
		bound("maxItems", r.Max)
		switch r.Type {
		case "strings":
			text("item ", r.ItemMin, r.ItemMax)
		case "integers":
			bound("item minimum", r.ItemMin)
			bound("item maximum", r.ItemMax)
		}
	case "map":
		bound("minProperties", r.Min)
		bound("maxProperties", r.Max)
		text("item ", r.ItemMin, r.ItemMax)
	case "object":
		bound("minProperties", r.Min)
	}
	return f
}

// whole is a default with the defaults of all below it.
func whole(rows map[string]row, path string, given interface{}) interface{} {
	switch value := given.(type) {
	case map[string]interface{}:
		for p, r := range rows {
			name := strings.TrimPrefix(p, path+".")
			if name == p || strings.ContainsAny(name, ".[") {
				continue
			}
			if _, ok := value[name]; !ok && r.Default != nil {
				value[name] = parsed(r)
			}
			if _, ok := value[name]; ok {
				value[name] = whole(rows, p, value[name])
			}
		}
	case []interface{}:
		for i := range value {
			value[i] = whole(rows, path+"[]", value[i])
		}
	}
	return given
}

func parsed(r row) interface{} {
	if r.Type == "string" || r.Type == "duration" {
		return *r.Default
	}
	var v interface{}
	if json.Unmarshal([]byte(*r.Default), &v) != nil {
		return *r.Default
	}
	return v
}

func sameDefault(rows map[string]row, r row, s *apiextensionsv1.JSONSchemaProps) bool {
	if r.Default == nil || s.Default == nil {
		return r.Default == nil && s.Default == nil
	}
	var theirs interface{}
	if json.Unmarshal(s.Default.Raw, &theirs) != nil {
		return false
	}
	return reflect.DeepEqual(whole(rows, r.Path, parsed(r)), whole(rows, r.Path, theirs))
}

// compareTables tells whether the tables and the CRDs have the same fields with the same constraints, in both directions.
func compareTables(t *tally, rows map[string]map[string]row, experimental, standard []*version) {
	channels := map[string]map[string]*version{"experimental": {}, "standard": {}}
	for _, v := range append(append([]*version{}, experimental...), standard...) {
		channels[v.channel][v.key()] = v
	}
	for key, ours := range rows {
		if v := channels["experimental"][key]; v != nil {
			compareVersion(t, ours, v, channels["standard"][key])
		}
	}
	for key, v := range channels["experimental"] {
		t.check(!v.served || rows[key] != nil, "tables: %s is served by the CRDs, but has no table", key)
	}
	for key, v := range channels["standard"] {
		t.check(channels["experimental"][key] != nil || !v.served, "tables: %s is in the standard channel alone", key)
	}
}

func isCompared(path string) bool {
	return path != "" && (path == "spec" || strings.HasPrefix(path, "spec.") || strings.HasPrefix(path, "status."))
}

func compareVersion(t *tally, ours map[string]row, v, standard *version) {
	seen, inStandard, required := map[string]bool{}, map[string]bool{}, map[string]bool{}
	if standard != nil {
		each("", &standard.props, func(path string, _ *apiextensionsv1.JSONSchemaProps) { inStandard[path] = true })
	}
	each("", &v.props, func(path string, s *apiextensionsv1.JSONSchemaProps) {
		for _, name := range s.Required {
			required[strings.TrimPrefix(path+"."+name, ".")] = true
		}
	})
	each("", &v.props, func(path string, s *apiextensionsv1.JSONSchemaProps) {
		seen[path] = true
		if !isCompared(path) || strings.HasSuffix(path, "[]") || strings.HasSuffix(path, ".*") {
			return
		}
		r, ok := ours[path]
		if strings.HasPrefix(path, "status.") {
			compareStatus(t, v, path, s, r, ok, required[path])
			return
		}
		if !t.check(ok, "tables: %s: %s is in the CRD, but not in the table", v.key(), path) {
			return
		}
		compareField(t, ours, v, path, s, r, required[path])
		if standard == nil {
			return
		}
		parent := path[:max(strings.LastIndex(path, "."), 0)]
		if inStandard[parent] {
			t.check(inStandard[path] == (r.Flags&flagExperimental == 0), "tables: %s: %s: is it in the experimental channel alone?",
				v.key(), path)
		}
	})
	for path := range ours {
		if isCompared(path) {
			t.check(seen[path], "tables: %s: %s is in the table, but not in the CRD", v.key(), path)
		}
	}
}

func compareField(t *tally, ours map[string]row, v *version, path string, s *apiextensionsv1.JSONSchemaProps, r row, required bool) {
	theirs, mine := crdFacts(s, required), ourFacts(r)
	for name, value := range theirs {
		t.check(mine[name] == value || excusedFact(path, name, value, mine[name]), "tables: %s: %s: %s is %q in the CRD, %q in the table",
			v.key(), path, name, value, mine[name])
	}
	for name, value := range mine {
		if _, ok := theirs[name]; !ok {
			t.check(excusedFact(path, name, "", value), "tables: %s: %s: %s is %q in the table, not in the CRD", v.key(), path, name, value)
		}
	}
	t.check(sameDefault(ours, r, s), "tables: %s: %s: the default differs", v.key(), path)
}

// excusedFact knows what the CRDs say as an expression and the tables as a constraint; that they judge alike is differ.go's to see.
func excusedFact(path, name, theirs, ours string) bool {
	switch {
	case strings.HasSuffix(path, ".infrastructure.labels"), strings.HasSuffix(path, ".infrastructure.annotations"):
		return theirs == "" || strings.HasPrefix(name, "item ")
	case name == "item maxLength" && theirs == "":
		return false
	}
	return false
}

// compareStatus: what is written must exist, and what must be written must be in the table, but for times, which whoever writes merges.
func compareStatus(t *tally, v *version, path string, s *apiextensionsv1.JSONSchemaProps, r row, ok, required bool) {
	if !ok {
		t.check(!required || strings.HasSuffix(path, ".lastTransitionTime"), "tables: %s: %s is required, but not in the table", v.key(), path)
		return
	}
	theirs, mine := crdFacts(s, required), ourFacts(r)
	t.check(theirs["type"] == mine["type"], "tables: %s: %s is %s in the CRD, %s in the table", v.key(), path, theirs["type"], mine["type"])
	t.check(mine["keys"] == "" || theirs["keys"] == mine["keys"], "tables: %s: %s: keys are %s in the CRD, %s in the table", v.key(), path,
		theirs["keys"], mine["keys"])
}
