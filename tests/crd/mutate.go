// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const donorsMax = 8

// Words that the patterns of the CRDs tell apart.
var texts = []string{"", "a", "A", "a-b", "-a", "a-", "a.b", "a..b", ".a", "a.", "a_b", "_a", "1", "1a", "192.0.2.1", "2001:db8::1", "*", "*.a.b", "a.*",
	"*a", "a b", " a", "a  b", "a/b", "/a", "a/", "//", "/a//b", "/./a", "/../a", "/a/..", "/a/.", "/a%2fb", "/a%2Fb", "/a%20b", "/a%2", "/a#b", "/é", "é", "a\tb",
	"a\nb", "a:b", "a@b", "a,b", "*.*", "0s", "1s", "999ms", "1h", "1h1ms", "2h", "10s", "1m1s1ms1h", "1d", "1.5s", "100000s", "99999h", "s", "1s1s1s1s1s", "Hostname", "IPAddress", "x.IPAddress", "a.b/c",
	"a.b/c-d_e", "a/B", "A/b", "http://a", "https://*.a.b:80", "http://*", "https://a:123456", "ftp://a", "http://a/", "spiffe://a/b", "x:y", "://a", "true", "null", "80",
	"a.k8s.io/b", "k8s.io/b", "Cluster", "a.cluster.local", "Service", "XBackend", "gateway.networking.x-k8s.io", "certificates.k8s.io", "ClusterTrustBundle",
	"System", "HTTP", "HTTPS", "TLS", "TCP", "UDP", "GET", "a.B.C", ".a.B", "a.1", "a!b", "ab|c", "a`b", "a\"b", "a\\b", "a=b", "\u00a0", "[", "(", "[a-z]+"}

// What breaks a rule of several members, by the end of the place.
var faulty = map[string]object{
	".addresses[]":         {"type": "Hostname", "value": "a_b"},
	".caCertificateRefs[]": {"group": "certificates.k8s.io", "kind": "ClusterTrustBundle", "name": "b", "namespace": "nn"},
}

var numbers = []int64{-1, 0, 1, 2, 99, 100, 101, 65535, 65536, 1 << 31, 1 << 40}

// step is one change of an object.
type step struct {
	what  func() string
	apply func(o object) bool
}

// mutator knows a version's schema and, for each place in it, the values that bases have there.
type mutator struct {
	v        *version
	schemas  map[string]apiextensionsv1.JSONSchemaProps
	donors   map[string][]interface{}
	bases    []object
	patterns map[string]bool // that all texts were tried against
}

// Of an object's places of one path in the schema these are changed; the others by chance alone.
const visitsMax = 1

func newMutator(v *version, bases []object) *mutator {
	m := &mutator{v: v, schemas: map[string]apiextensionsv1.JSONSchemaProps{}, donors: map[string][]interface{}{}, bases: bases, patterns: map[string]bool{}}
	each("", &v.props, func(path string, s *apiextensionsv1.JSONSchemaProps) { m.schemas[path] = *s })
	for _, o := range bases {
		m.collect("spec", o["spec"])
	}
	for path, s := range m.schemas {
		for suffix, value := range faulty {
			if strings.HasSuffix(path, suffix) {
				m.donors[path] = append(m.donors[path], value)
			}
		}
		if s.Properties["kind"].Type != "" && s.Properties["port"].Type != "" {
			m.donors[path] = append(m.donors[path], object{"group": "gateway.networking.x-k8s.io", "kind": "XBackend", "name": "b", "port": int64(80)})
		}
		for _, word := range enumOf(&s) {
			if s.Type == "string" {
				m.donate(path, word)
			}
		}
	}
	return m
}

func (m *mutator) donate(path string, value interface{}) {
	text := string(encode(value))
	for _, one := range m.donors[path] {
		if string(encode(one)) == text {
			return
		}
	}
	if len(m.donors[path]) < donorsMax || len(m.schemas[path].Enum) > 0 {
		m.donors[path] = append(m.donors[path], value)
	}
}

func (m *mutator) collect(path string, value interface{}) {
	m.donate(path, value)
	switch value := value.(type) {
	case object:
		for _, name := range sortedKeys(value) {
			m.collect(m.below(path, name), value[name])
		}
	case []interface{}:
		for _, item := range value {
			m.collect(path+"[]", item)
		}
	}
}

func (m *mutator) below(path, name string) string {
	if s := m.schemas[path]; s.AdditionalProperties != nil {
		return path + ".*"
	}
	return path + "." + name
}

// place is where a value stands: the keys and indexes from the top.
type place []interface{}

func (p place) get(o interface{}) (interface{}, bool) {
	for _, at := range p {
		switch key := at.(type) {
		case string:
			m, ok := o.(object)
			if !ok {
				return nil, false
			}
			if o, ok = m[key]; !ok {
				return nil, false
			}
		case int:
			l, ok := o.([]interface{})
			if !ok || key >= len(l) {
				return nil, false
			}
			o = l[key]
		}
	}
	return o, true
}

func (p place) set(o interface{}, value interface{}) bool {
	parent, ok := p[:len(p)-1].get(o)
	if !ok {
		return false
	}
	switch key := p[len(p)-1].(type) {
	case string:
		if m, ok := parent.(object); ok {
			m[key] = runtime.DeepCopyJSONValue(value)
			return true
		}
	case int:
		if l, ok := parent.([]interface{}); ok && key < len(l) {
			l[key] = runtime.DeepCopyJSONValue(value)
			return true
		}
	}
	return false
}

func (p place) remove(o interface{}) bool {
	parent, ok := p[:len(p)-1].get(o)
	if !ok {
		return false
	}
	if m, ok := parent.(object); ok {
		delete(m, p[len(p)-1].(string))
		return true
	}
	i, l := p[len(p)-1].(int), parent.([]interface{})
	return p[:len(p)-1].set(o, append(append([]interface{}{}, l[:i]...), l[i+1:]...))
}

func (p place) String() string {
	var b strings.Builder
	for _, at := range p {
		if key, ok := at.(string); ok {
			fmt.Fprintf(&b, ".%s", key)
		} else {
			fmt.Fprintf(&b, "[%d]", at)
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}

func (p place) child(at interface{}) place { return append(append(place{}, p...), at) }

// steps are all changes that are made of one object.
func (m *mutator) steps(o object) []step {
	var all []step
	visits := map[string]int{}
	m.walk("spec", place{"spec"}, o["spec"], func(path string, at place, value interface{}) {
		visits[path]++
		if visits[path] <= visitsMax {
			m.at(&all, path, at, value)
		}
	})
	return all
}

// stepsAtRandom are the changes of one place.
func (m *mutator) stepsAtRandom(o object, r *rand.Rand) []step {
	var all []step
	var visits []func()
	m.walk("spec", place{"spec"}, o["spec"], func(path string, at place, value interface{}) {
		visits = append(visits, func() { m.at(&all, path, at, value) })
	})
	visits[r.Intn(len(visits))]()
	return all
}

func (m *mutator) walk(path string, at place, value interface{}, visit func(path string, at place, value interface{})) {
	visit(path, at, value)
	switch value := value.(type) {
	case object:
		for _, name := range sortedKeys(value) {
			m.walk(m.below(path, name), at.child(name), value[name], visit)
		}
	case []interface{}:
		for i, item := range value {
			m.walk(path+"[]", at.child(i), item, visit)
		}
	}
}

func (m *mutator) at(all *[]step, path string, at place, value interface{}) {
	s := m.schemas[path]
	m.replace(all, path, &s, at, value)
	switch value := value.(type) {
	case object:
		m.object(all, path, &s, at, value)
	case []interface{}:
		m.list(all, path, &s, at, value)
	}
}

func set(at place, value interface{}) step {
	return step{func() string { return at.String() + " = " + brief(encode(value)) }, func(o object) bool { return at.set(o, value) }}
}

// isJudged: does a rule of the struct look into this member's text?
func (m *mutator) isJudged(path string) bool {
	dot := strings.LastIndex(path, ".")
	for _, rule := range m.schemas[path[:max(dot, 0)]].XValidations {
		if strings.Contains(rule.Rule, "self"+path[max(dot, 0):]+".") {
			return true
		}
	}
	return false
}

// replace: other types, other values, the bounds and what is just beyond them.
func (m *mutator) replace(all *[]step, path string, s *apiextensionsv1.JSONSchemaProps, at place, value interface{}) {
	*all = append(*all, step{func() string { return at.String() + " removed" }, func(o object) bool { return at.remove(o) }})
	for _, other := range []interface{}{nil, "x", int64(5), 1.5, true, []interface{}{}, object{}} {
		*all = append(*all, set(at, other))
	}
	for _, donor := range m.donors[path] {
		*all = append(*all, set(at, donor))
	}
	switch value.(type) {
	case string:
		words := texts
		if m.patterns[s.Pattern] && len(s.XValidations) == 0 && !m.isJudged(path) {
			words = []string{"", "a", "A_b", "a b", "é"}
		}
		m.patterns[s.Pattern] = true
		for _, text := range words {
			*all = append(*all, set(at, text))
		}
		if s.MaxLength != nil {
			for _, n := range []int64{*s.MaxLength, *s.MaxLength + 1} {
				*all = append(*all, set(at, strings.Repeat("a", int(n))), set(at, "/"+strings.Repeat("é", int(n-1))),
					set(at, (strings.Repeat(strings.Repeat("a", 62)+".", int(n)/63+1) + strings.Repeat("b", 63))[:n]), set(at, "/"+strings.Repeat("a", int(n-1))),
					set(at, "https://"+strings.Repeat("a", int(max(n-8, 1)))), set(at, "a.b/"+strings.Repeat("a", int(max(n-4, 1)))))
			}
		}
	case int64, float64:
		bounds := append([]int64{}, numbers...)
		for _, bound := range []*float64{s.Minimum, s.Maximum} {
			if bound != nil {
				bounds = append(bounds, int64(*bound)-1, int64(*bound), int64(*bound)+1)
			}
		}
		for _, n := range bounds {
			*all = append(*all, set(at, n))
		}
	}
}

func (m *mutator) object(all *[]step, path string, s *apiextensionsv1.JSONSchemaProps, at place, value object) {
	*all = append(*all, set(at.child("nope"), "x"), set(at.child("nope"), nil))
	for _, name := range sortedKeys(s.Properties) {
		if _, ok := value[name]; ok {
			continue
		}
		for _, donor := range m.donors[path+"."+name] {
			*all = append(*all, set(at.child(name), donor))
		}
	}
	if s.AdditionalProperties == nil {
		return
	}
	for _, key := range []string{"a", "A", "a b", "a/b", "a.b/c", "A.b/c", "/a", "a/", "", "a/b/c", "-", "a_", strings.Repeat("a", 63), strings.Repeat("a", 64), "example.com/" + strings.Repeat("a", 64), strings.Repeat("a", 254) + "/a"} {
		*all = append(*all, set(at.child(key), "x"))
	}
	if s.MaxProperties != nil {
		for _, n := range []int{int(*s.MaxProperties), int(*s.MaxProperties) + 1} {
			many := object{}
			for i := 0; i < n; i++ {
				many[fmt.Sprintf("k%d", i)] = "v"
			}
			*all = append(*all, set(at, many))
		}
	}
}

// renamed is a copy that differs in its name, if it has one.
func renamed(item interface{}, i int) interface{} {
	item = runtime.DeepCopyJSONValue(item)
	switch value := item.(type) {
	case object:
		if _, ok := value["name"].(string); ok {
			value["name"] = fmt.Sprintf("n%d", i)
		}
		if _, ok := value["port"].(int64); ok {
			value["port"] = int64(10000 + i)
		}
	case string:
		return fmt.Sprintf("n%d.example.com", i)
	case int64:
		return int64(400 + i)
	}
	return item
}

func (m *mutator) list(all *[]step, path string, s *apiextensionsv1.JSONSchemaProps, at place, value []interface{}) {
	for _, donor := range m.donors[path+"[]"] {
		*all = append(*all, set(at, append(append([]interface{}{}, value...), donor)))
	}
	*all = append(*all, set(at, append(append([]interface{}{}, value...), nil)))
	for i, item := range value {
		all2 := append(append([]interface{}{}, value...), item)
		*all = append(*all, set(at, all2), set(at, append(append([]interface{}{}, value...), renamed(item, i))))
		if o, ok := item.(object); ok {
			for _, name := range sortedKeys(o) {
				less := runtime.DeepCopyJSON(o)
				delete(less, name)
				*all = append(*all, set(at, append(append([]interface{}{}, value...), less)))
			}
		}
	}
	if s.MaxItems == nil || len(value) == 0 {
		return
	}
	for _, n := range []int{int(*s.MaxItems), int(*s.MaxItems) + 1} {
		var many []interface{}
		for i := 0; i < n; i++ {
			many = append(many, renamed(value[len(value)-1], i))
		}
		*all = append(*all, set(at, many))
	}
}

// special objects are those that no single change of a base makes.
func (m *mutator) special() []object {
	var all []object
	for _, base := range m.bases {
		for _, matches := range [][]int{{64, 64}, {64, 64, 1}, {43, 43, 43}} {
			rules, ok := place{"spec", "rules"}.get(base)
			first, isList := rules.([]interface{})
			if !ok || !isList || len(first) == 0 {
				continue
			}
			if _, ok := m.schemas["spec.rules[].matches"]; !ok {
				continue
			}
			o := runtime.DeepCopyJSON(base)
			var made []interface{}
			for _, n := range matches {
				var list []interface{}
				for i := 0; i < n; i++ {
					list = append(list, object{"headers": []interface{}{object{"name": "x", "value": fmt.Sprint(i)}}})
				}
				made = append(made, object{"matches": list})
			}
			place{"spec", "rules"}.set(o, made)
			all = append(all, o)
		}
	}
	return all
}
