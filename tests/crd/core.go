// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1alpha1 "k8s.io/api/certificates/v1alpha1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	kjson "sigs.k8s.io/json"
)

// The kinds of the API machinery itself have no CRDs. Their Go types say which fields there are and of which type; the API server's own strict
// decoding says what it refuses before it validates. Values and rules of several fields are not compared: their validation is in no library.
var coreKinds = []struct {
	apiVersion string
	object     interface{}
	full       string // every field that a gateway reads, and some that it does not
}{
	{"v1", corev1.Service{}, `{"spec":{"type":"ClusterIP","clusterIP":"10.0.0.1","externalName":"","sessionAffinity":"None","selector":{"a":"b"},
		"publishNotReadyAddresses":true,"ports":[{"name":"p","protocol":"TCP","appProtocol":"a.b/c","port":80,"targetPort":8080,"nodePort":30000},
		{"name":"q","protocol":"UDP","port":53,"targetPort":"dns"}]},"status":{"loadBalancer":{}}}`},
	{"discovery.k8s.io/v1", discoveryv1.EndpointSlice{}, `{"addressType":"IPv4","ports":[{"name":"p","protocol":"TCP","appProtocol":"a.b/c","port":80}],
		"endpoints":[{"addresses":["192.0.2.1"],"conditions":{"ready":true,"serving":true,"terminating":false},"hostname":"h","nodeName":"n","zone":"z",
		"targetRef":{"kind":"Pod","namespace":"nn","name":"p","uid":"u"},"hints":{"forZones":[{"name":"z"}]},"deprecatedTopology":{"a":"b"}}]}`},
	{"v1", corev1.Secret{}, `{"type":"Opaque","data":{"a":"YQ=="},"stringData":{"b":"c"},"immutable":true}`},
	{"v1", corev1.ConfigMap{}, `{"data":{"a":"b"},"binaryData":{"c":"YQ=="},"immutable":true}`},
	{"v1", corev1.Namespace{}, `{"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}`},
	{"certificates.k8s.io/v1", certificatesv1.ClusterTrustBundle{}, trustBundle},
	{"certificates.k8s.io/v1beta1", certificatesv1beta1.ClusterTrustBundle{}, trustBundle},
	{"certificates.k8s.io/v1alpha1", certificatesv1alpha1.ClusterTrustBundle{}, trustBundle},
}

const trustBundle = `{"spec":{"signerName":"a.b/c","trustBundle":"t"}}`

// typeName of a Go type in the words of `crd_probe tables`.
func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeOf(intstr.IntOrString{}):
		return "integerOrString"
	case t == reflect.TypeOf(metav1.Time{}):
		return "string"
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "string"
	case t.Kind() == reflect.Slice:
		return typeName(t.Elem()) + "s"
	case t.Kind() == reflect.Struct:
		return "object"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		return "integer"
	}
	return t.Kind().String()
}

// fieldsOf a Go type, by path; what the object's metadata has is metav1's.
func fieldsOf(t reflect.Type, path string, all map[string]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || typeName(t) != "object" {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "metadata" || name == "-" {
			continue
		}
		if f.Anonymous || strings.Contains(options, "inline") {
			fieldsOf(f.Type, path, all)
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		all[at] = typeName(f.Type)
		if f.Type.Kind() == reflect.Slice {
			at += "[]"
		}
		fieldsOf(f.Type, at, all)
	}
}

// ignoredAt: is this place, or one above, one that a gateway has no use for?
func ignoredAt(rows map[string]row, path string) bool {
	for {
		if r, ok := rows[path]; ok && r.Type == "ignored" {
			return true
		}
		i := strings.LastIndex(path, ".")
		if i < 0 {
			return false
		}
		path = strings.TrimSuffix(path[:i], "[]")
	}
}

func compareCore(t *tally, probe string, tables map[string]map[string]row) error {
	p, err := startProbe(probe)
	if err != nil {
		return err
	}
	for _, k := range coreKinds {
		goType := reflect.TypeOf(k.object)
		_, version, grouped := strings.Cut(k.apiVersion, "/")
		if !grouped {
			version = k.apiVersion
		}
		key := goType.Name() + " " + version
		rows := tables[key]
		if !t.check(rows != nil, "core: %s has no table", key) {
			continue
		}
		compareCoreFields(t, key, rows, goType)
		o := object{}
		if err := json.Unmarshal([]byte(k.full), &o); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		o["apiVersion"], o["kind"], o["metadata"] = k.apiVersion, goType.Name(), object{"name": "o", "namespace": "nn"}
		switch goType.Name() {
		case "ClusterTrustBundle":
			o["metadata"] = object{"name": "a.b:c:o"}
		case "Namespace":
			o["metadata"] = object{"name": "o"}
		}
		if err := differCore(t, p, key, rows, goType, o); err != nil {
			return err
		}
	}
	return p.end()
}

func compareCoreFields(t *tally, key string, rows map[string]row, goType reflect.Type) {
	theirs := map[string]string{}
	fieldsOf(goType, "", theirs)
	for path, is := range theirs {
		r, ok := rows[path]
		if t.check(ok || ignoredAt(rows, path), "core: %s: %s is in the Go type, but not in the table", key, path) && ok && r.Type != "ignored" {
			t.check(r.Type == is, "core: %s: %s is %s in the Go type, %s in the table", key, path, is, r.Type)
		}
	}
	for path := range rows {
		_, ok := theirs[path]
		metadata := path == "metadata" || strings.HasPrefix(path, "metadata.")
		t.check(ok || metadata || path == "status", "core: %s: %s is in the table, but not in the Go type", key, path)
	}
}

// strictly decodes as the API server does with field validation Strict.
func strictly(goType reflect.Type, line []byte) error {
	into := reflect.New(goType).Interface()
	strict, err := kjson.UnmarshalStrict(line, into)
	if err == nil && len(strict) > 0 {
		err = strict[0]
	}
	return err
}

var wrongValues = []interface{}{"text", int64(7), 7.5, true, []interface{}{"a"}, []interface{}{int64(7)}, object{"a": "b"}, object{"a": int64(7)}, nil}

// differCore gives each place of the object a value of each type, and each struct a field that there is not.
func differCore(t *tally, p *probeProcess, key string, rows map[string]row, goType reflect.Type, o object) error {
	compare := func(changed object, what, path string) error {
		line := encode(changed)
		ours, err := p.judge(line)
		if err != nil {
			return err
		}
		theirs := strictly(goType, line)
		switch {
		case theirs != nil:
			t.check(!ours.Accepted || ignoredAt(rows, general(path)), "core: %s: %s: refused by the API server alone: %v", key, what, theirs)
		case what == "":
			t.check(ours.Accepted, "core: %s: refused: %v", key, ours.Findings)
		default:
			t.check(ours.Accepted || !isTypeFinding(ours), "core: %s: %s: of a wrong type for us alone: %v", key, what, ours.Findings)
		}
		return nil
	}
	if err := compare(o, "", ""); err != nil {
		return err
	}
	var places []place
	gather(place{}, o, &places)
	for _, at := range places {
		for _, value := range wrongValues {
			changed := roundTrip(o)
			at.set(changed, value)
			path := strings.TrimPrefix(at.String(), ".")
			if err := compare(changed, fmt.Sprintf("%s = %v", path, value), path); err != nil {
				return err
			}
		}
		if value, _ := at.get(o); reflect.TypeOf(value) == reflect.TypeOf(object{}) {
			changed := roundTrip(o)
			at.child("unheardOf").set(changed, object{"a": int64(7)})
			path := at.child("unheardOf").String()
			if err := compare(changed, path, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func isTypeFinding(a answer) bool {
	for _, f := range a.Findings {
		if strings.Contains(f.Message, "unknown field") || strings.HasPrefix(f.Message, "must be a") {
			return true
		}
	}
	return false
}

func roundTrip(o object) object {
	var copied object
	if json.Unmarshal(encode(o), &copied) != nil {
		panic("not JSON")
	}
	return copied
}

func gather(at place, value interface{}, all *[]place) {
	if len(at) > 0 && at[0] != "metadata" && at[0] != "apiVersion" && at[0] != "kind" {
		*all = append(*all, at)
	}
	switch value := value.(type) {
	case object:
		for _, name := range sortedKeys(value) {
			gather(at.child(name), value[name], all)
		}
	case []interface{}:
		for i := range value {
			gather(at.child(i), value[i], all)
		}
	}
}
