// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	profiles "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// filterSyscalls installs what container runtimes call RuntimeDefault, for a container with these capabilities: their common profile,
// compiled without libseccomp. Where a runtime also lets 32-bit programs in, this one refuses their system calls.
func filterSyscalls(keep []string) error {
	policy, err := defaultPolicy(keep)
	if err != nil {
		return err
	}
	return seccomp.LoadFilter(seccomp.Filter{Policy: *policy})
}

func defaultPolicy(keep []string) (*seccomp.Policy, error) {
	profile, err := profiles.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: keep}}})
	if err != nil {
		return nil, err
	}
	native, err := arch.GetInfo("")
	if err != nil {
		return nil, err
	}
	policy := &seccomp.Policy{DefaultAction: seccomp.ActionErrno}
	// A rule without conditions wins over those with: the profile has both for some names, once a capability is there.
	free := map[string]bool{}
	for _, rule := range profile.Syscalls {
		if len(rule.Args) == 0 && rule.Action == specs.ActAllow {
			for _, name := range rule.Names {
				free[name] = true
			}
		}
	}
	seen := map[string]bool{}
	var conditional []seccomp.NameWithConditions
	for _, rule := range profile.Syscalls {
		action, err := ruleAction(rule)
		if err != nil {
			return nil, err
		}
		conditions, err := ruleConditions(rule.Args)
		if err != nil {
			return nil, err
		}
		group := seccomp.SyscallGroup{Action: action}
		for _, name := range rule.Names {
			if _, known := native.SyscallNames[name]; !known || seen[name] {
				continue
			}
			if len(conditions) == 0 {
				seen[name] = true
				group.Names = append(group.Names, name)
			} else if !free[name] {
				conditional = append(conditional, seccomp.NameWithConditions{Name: name, Conditions: conditions})
			}
		}
		policy.Syscalls = append(policy.Syscalls, group)
	}
	policy.Syscalls = append(policy.Syscalls, seccomp.SyscallGroup{Action: seccomp.ActionAllow, NamesWithCondtions: conditional})
	return policy, nil
}

// ruleAction returns what a rule does, the error that it answers with included.
func ruleAction(rule specs.LinuxSyscall) (seccomp.Action, error) {
	switch {
	case rule.Action == specs.ActAllow:
		return seccomp.ActionAllow, nil
	case rule.Action == specs.ActErrno && rule.ErrnoRet != nil && len(rule.Args) == 0:
		return seccomp.ActionErrno | seccomp.Action(*rule.ErrnoRet), nil
	}
	return 0, fmt.Errorf("the seccomp profile has an unexpected action %s for %v", rule.Action, rule.Names)
}

func ruleConditions(args []specs.LinuxSeccompArg) ([]seccomp.Condition, error) {
	operations := map[specs.LinuxSeccompOperator]seccomp.Operation{
		specs.OpEqualTo: seccomp.Equal, specs.OpNotEqual: seccomp.NotEqual, specs.OpLessThan: seccomp.LessThan,
		specs.OpLessEqual: seccomp.LessOrEqual, specs.OpGreaterThan: seccomp.GreaterThan, specs.OpGreaterEqual: seccomp.GreaterOrEqual,
	}
	var conditions []seccomp.Condition
	for _, a := range args {
		operation, ok := operations[a.Op]
		if a.Op == specs.OpMaskedEqual && a.ValueTwo == 0 {
			operation, ok = seccomp.BitsNotSet, true
		}
		if !ok {
			return nil, fmt.Errorf("the seccomp profile has an unexpected condition %s", a.Op)
		}
		conditions = append(conditions, seccomp.Condition{Argument: uint32(a.Index), Operation: operation, Value: a.Value})
	}
	return conditions, nil
}
