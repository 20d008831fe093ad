// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	_ "sigs.k8s.io/gateway-api/pkg/consts" // the module whose CRDs are read: go.mod has its version
	"sigs.k8s.io/yaml"
)

// version is one version of one kind as one channel's CRD has it.
type version struct {
	channel, group, kind, name string
	served                     bool
	props                      apiextensionsv1.JSONSchemaProps
	structural                 *schema.Structural
	validator                  validation.SchemaValidator
	rules                      *cel.Validator
}

func (v *version) key() string { return v.kind + " " + v.name }

// fault is what the API server finds. A rule's is found by an expression; hidden ones keep the expressions from being run.
type fault struct {
	path, message string
	rule, blocks  bool
}

// load reads a channel's CRDs from the folder of the Gateway API's module.
func load(module, channel string) ([]*version, error) {
	files, err := filepath.Glob(filepath.Join(module, "config/crd", channel, "gateway.networking.*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []*version
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return nil, err
		}
		if crd.Kind != "CustomResourceDefinition" {
			continue
		}
		for _, v := range crd.Spec.Versions {
			one, err := newVersion(channel, &crd, &v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

func newVersion(channel string, crd *apiextensionsv1.CustomResourceDefinition, v *apiextensionsv1.CustomResourceDefinitionVersion) (*version, error) {
	one := &version{channel: channel, group: crd.Spec.Group, kind: crd.Spec.Names.Kind, name: v.Name, served: v.Served,
		props: *v.Schema.OpenAPIV3Schema}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		return nil, err
	}
	var err error
	if one.structural, err = schema.NewStructural(&internal); err != nil {
		return nil, err
	}
	if one.validator, _, err = validation.NewSchemaValidator(&internal); err != nil {
		return nil, err
	}
	one.rules = cel.NewValidator(one.structural, true, celconfig.PerCallLimit)
	return one, nil
}

// What a oneOf or an anyOf says: at the struct, of the member at fault.
var alternatives = regexp.MustCompile(`^"([^"]+)" must validate`)

// pathOf: the conversion of some errors leaves the field to the end of the message.
func pathOf(e *field.Error) string {
	if found := alternatives.FindStringSubmatch(e.Detail); found != nil {
		return plain(found[1])
	}
	if i := strings.LastIndex(e.Detail, " in "); i >= 0 && (e.Field == "<nil>" || e.Field == "") {
		return plain(e.Detail[i+4:])
	}
	return plain(e.Field)
}

// judge does what the API server does with an object that is created, field validation strict. obj is changed.
func (v *version) judge(obj map[string]interface{}) []fault {
	var faults []fault
	unknown := pruning.PruneWithOptions(obj, v.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		faults = append(faults, fault{path: path, message: "unknown field"})
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(obj, v.structural)
	defaulting.Default(obj, v.structural)
	errs := validation.ValidateCustomResource(nil, obj, v.validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, v.structural, obj)...)
	blocked := false
	for _, e := range errs {
		blocks := e.Type == field.ErrorTypeNotSupported || e.Type == field.ErrorTypeRequired || e.Type == field.ErrorTypeTooLong ||
			e.Type == field.ErrorTypeTooMany || e.Type == field.ErrorTypeTypeInvalid
		blocked = blocked || blocks
		faults = append(faults, fault{path: pathOf(e), message: e.ErrorBody(), blocks: blocks,
			rule: alternatives.MatchString(e.Detail)})
	}
	if blocked || v.rules == nil {
		return faults
	}
	errs, _ = v.rules.Validate(context.Background(), nil, v.structural, obj, nil, celconfig.RuntimeCELCostBudget)
	for _, e := range errs {
		faults = append(faults, fault{path: plain(e.Field), message: e.Detail, rule: true})
	}
	return faults
}

var keyed = regexp.MustCompile(`\[([^\]]*[^0-9\]][^\]]*)\]`)

// plain writes a map's key as a member: labels[a] is labels.a.
func plain(path string) string { return keyed.ReplaceAllString(path, ".$1") }

var index = regexp.MustCompile(`\[\d+\]`)

// general leaves a list's indexes out.
func general(path string) string { return index.ReplaceAllString(path, "[]") }

// each calls visit for a schema and all below it. A map's values are at path.*
func each(path string, s *apiextensionsv1.JSONSchemaProps, visit func(path string, s *apiextensionsv1.JSONSchemaProps)) {
	visit(path, s)
	for name, below := range s.Properties {
		at := name
		if path != "" {
			at = path + "." + name
		}
		each(at, &below, visit)
	}
	if s.Items != nil && s.Items.Schema != nil {
		each(path+"[]", s.Items.Schema, visit)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		each(path+".*", s.AdditionalProperties.Schema, visit)
	}
}
