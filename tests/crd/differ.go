// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

const (
	randomPerVersion = 300
	sampled          = 10
	sampledAgain     = 3 // of a change at one more place of the same kind
	sampledBoth      = 4 // judged by the standard channel's CRDs, too
	sampledStandard  = 4
	leftOutMax       = 32
	seed             = 20260701
)

type object = map[string]interface{}

// answer is what `crd_probe judge` says of one document.
type answer struct {
	Accepted bool
	Parser   string
	Findings []struct{ Path, Message string }
}

// probeProcess judges documents in the order in which they are asked for.
type probeProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startProbe(path string) (*probeProcess, error) {
	p := &probeProcess{cmd: exec.Command(path, "judge")}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	return p, p.cmd.Start()
}

func encode(o interface{}) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (p *probeProcess) judge(line []byte) (answer, error) {
	var a answer
	if _, err := p.in.Write(line); err != nil {
		return a, err
	}
	said, err := p.out.ReadBytes('\n')
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(said, &a)
}

func (p *probeProcess) end() error {
	p.in.Close()
	return p.cmd.Wait()
}

func readBases(dir string) ([]object, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []object
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, doc := range strings.Split(string(text), "\n---\n") {
			converted, err := yaml.YAMLToJSON([]byte(doc))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			var o object
			if err := utiljson.Unmarshal(converted, &o); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, o)
		}
	}
	return all, nil
}

// differ judges the bases and what mutations make of them, by the tables and as the API server does.
func differ(t *tally, probe, dir string, experimental, standard []*version) error {
	bases, err := readBases(dir)
	if err != nil {
		return err
	}
	other := map[string]*version{}
	for _, v := range standard {
		if v.served {
			other[v.key()] = v
		}
	}
	var wait sync.WaitGroup
	var mutex sync.Mutex
	var firstErr error
	var objects, accepted int
	slots := make(chan bool, 2)
	known := map[string]bool{}
	for _, v := range longestFirst(experimental) {
		if !v.served {
			continue
		}
		text := v.kind + string(encode(v.props.Properties["spec"]))
		sparse := known[text] // a version that another one is the same as
		known[text] = true
		wait.Add(1)
		slots <- true
		go func() {
			defer wait.Done()
			defer func() { <-slots }()
			c := &comparison{t: t, v: v, standard: other[v.key()], coverage: newCoverage(v), sparse: sparse}
			began := time.Now()
			err := c.run(probe, bases)
			mutex.Lock()
			defer mutex.Unlock()
			fmt.Printf("differ: %s: %d objects, %d accepted, %d of the standard channel, %v\n", v.key(), c.objects, c.accepted,
				c.standardAccepted, time.Since(began).Round(time.Second/10))
			objects, accepted = objects+c.objects, accepted+c.accepted
			if err != nil && firstErr == nil {
				firstErr = fmt.Errorf("%s: %w", v.key(), err)
			}
		}()
	}
	wait.Wait()
	fmt.Printf("differ: %d objects, %d of them accepted\n", objects, accepted)
	return firstErr
}

// longestFirst: what takes long is not left to the end, when one core would be idle. Within a kind the preferred version stays the first.
func longestFirst(all []*version) []*version {
	size := map[string]int{}
	for _, v := range all {
		spec := v.props.Properties["spec"]
		size[v.kind] = max(size[v.kind], len(encode(spec)))
	}
	all = append([]*version{}, all...)
	sort.SliceStable(all, func(i, j int) bool { return size[all[i].kind] > size[all[j].kind] })
	return all
}

type comparison struct {
	t                 *tally
	v, standard       *version
	coverage          *coverage
	probe             *probeProcess
	sparse            bool // a sample of the changes
	objects, accepted int
	standardAccepted  int
}

func (c *comparison) run(path string, bases []object) error {
	var err error
	if c.probe, err = startProbe(path); err != nil {
		return err
	}
	var own []object
	for _, base := range bases {
		if base["kind"] != c.v.kind {
			continue
		}
		o := runtime.DeepCopyJSON(base)
		o["apiVersion"] = c.v.group + "/" + c.v.name
		if len(c.v.judge(runtime.DeepCopyJSON(o))) == 0 {
			own = append(own, o)
		} else if base["apiVersion"] == o["apiVersion"] {
			c.t.check(false, "differ: %s: a base is refused: %v", c.v.key(), c.v.judge(runtime.DeepCopyJSON(o)))
		}
	}
	if !c.t.check(len(own) > 0, "differ: %s: there is no base", c.v.key()) {
		return nil
	}
	m := newMutator(c.v, own)
	tried := map[string]bool{}
	for _, o := range own {
		if err := c.compare(o); err != nil {
			return err
		}
		for i, step := range m.steps(o) {
			what := general(step.what())
			if c.sparse && i%sampled != 0 || tried[what] && i%sampledAgain != 0 && c.coverage.isWhole(what) {
				continue
			}
			tried[what] = true
			changed := runtime.DeepCopyJSON(o)
			if !step.apply(changed) {
				continue
			}
			if err := c.compare(changed, step); err != nil {
				return err
			}
		}
	}
	for _, o := range m.special() {
		if err := c.compare(o); err != nil {
			return err
		}
	}
	if err := c.random(m, own); err != nil {
		return err
	}
	if err := c.standardAlone(own); err != nil {
		return err
	}
	if !c.sparse {
		c.coverage.report(c.t)
	}
	return c.probe.end()
}

// random makes two or three changes at once.
func (c *comparison) random(m *mutator, own []object) error {
	r := rand.New(rand.NewSource(seed))
	for i := 0; i < randomPerVersion; i++ {
		o := runtime.DeepCopyJSON(own[r.Intn(len(own))])
		var did []step
		for k := 2 + r.Intn(2); k > 0; k-- {
			steps := m.stepsAtRandom(o, r)
			if len(steps) == 0 {
				break
			}
			step := steps[r.Intn(len(steps))]
			if step.apply(o) {
				did = append(did, step)
			}
		}
		if err := c.compare(o, did...); err != nil {
			return err
		}
	}
	return nil
}

func told(did []step) string {
	var all []string
	for _, step := range did {
		all = append(all, step.what())
	}
	return strings.Join(all, ", then ")
}

func (c *comparison) compare(o object, did ...step) error {
	line := encode(o)
	ours, err := c.probe.judge(line)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", told(did), err, line)
	}
	c.objects++
	judged := runtime.DeepCopyJSON(o)
	theirs := c.v.judge(judged)
	if len(theirs) == 0 {
		c.accepted++
	}
	c.coverage.note(judged, theirs)
	why := disagreement(ours, theirs)
	if why == "" {
		c.t.check(true, "")
	} else {
		c.t.check(false, "differ: %s: %s: %s\n  ours: %v\n  theirs: %v\n  %s", c.v.key(), told(did), why, ours, theirs, brief(line))
	}
	if c.standard != nil && c.objects%sampledBoth == 0 {
		c.compareStandard(line, o, ours, theirs, did)
	}
	return nil
}

func brief(line []byte) string {
	if len(line) > 600 {
		return string(line[:600]) + "..."
	}
	return string(line)
}

// isLate: rules of several fields and items look at fields that stand.
func isLate(f fault) bool { return f.rule || strings.Contains(f.message, "Duplicate value") }

// within: is this place the same or below?
func within(path, above string) bool {
	if above == "" || path == above {
		return true
	}
	return strings.HasPrefix(path, above) && (path[len(above)] == '.' || path[len(above)] == '[')
}

// disagreement is "" when both accept, or both refuse for the same fields: each of theirs is ours, too, at the same place or, for an expression,
// at the member below it that is at fault; each of ours is one of theirs, unless theirs did not come to its expressions.
func disagreement(ours answer, theirs []fault) string {
	if ours.Accepted != (len(theirs) == 0) {
		return "the verdicts differ"
	}
	blocked := false
	for _, f := range theirs {
		blocked = blocked || f.blocks
	}
	at, fields := map[string]bool{}, false
	for _, f := range theirs {
		at[f.path] = true
		fields = fields || !isLate(f)
	}
	for _, f := range theirs {
		found := isLate(f) && fields // not looked for where a field is wrong
		for _, one := range ours.Findings {
			hidden := at[one.Path] && within(f.path, one.Path) // what is in a list that is too long, say
			found = found || one.Path == f.path || f.rule && within(one.Path, f.path) || hidden
		}
		if !found {
			return "theirs at " + f.path + " is not ours"
		}
	}
	for _, one := range ours.Findings {
		found := blocked
		for _, f := range theirs {
			found = found || within(one.Path, f.path)
		}
		if !found {
			return "ours at " + one.Path + " is not theirs"
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
