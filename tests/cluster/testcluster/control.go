// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The control socket is how a test disturbs a running cluster: POST /VERB[/COMPONENT].
const controlSocket = "control.sock"

var verbs = map[string]func(*component) error{
	"stop":  func(p *component) error { p.end(syscall.SIGTERM); return nil },
	"kill":  func(p *component) error { p.end(syscall.SIGKILL); return nil },
	"start": (*component).start,
	"pause": func(p *component) error { return p.signal(syscall.SIGSTOP) },
	"go-on": func(p *component) error { return p.signal(syscall.SIGCONT) },
}

func controlCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "control (stop|kill|start|pause|go-on COMPONENT | compact | rotate-tokens)",
		Short: "Disturb a running cluster",
		Long: `Disturb a running cluster.

  stop, kill, start COMPONENT   end a component (SIGTERM, SIGKILL), start it again; they wait until the process has ended or begun
  pause, go-on COMPONENT        SIGSTOP and SIGCONT: it keeps its connections and answers nothing
  compact                       etcd forgets all but the present: who resumes a watch from before is told 410 Gone
  rotate-tokens                 the service account tokens in the volumes of pods are replaced by new ones

The components are etcd, kube-apiserver, kube-controller-manager and kube-proxy.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, controlSocket))
			}}}
			response, err := client.Post("http://cluster/"+strings.Join(args, "/"), "", nil)
			if err != nil {
				return err
			}
			return responseError(response)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "cluster", "the cluster's directory for state")
	return cmd
}

// responseError closes a response, and returns what it says where that is not success.
func responseError(r *http.Response) error {
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode == http.StatusOK {
		return err
	}
	return fmt.Errorf("%s: %s", r.Status, bytes.TrimSpace(body))
}

// serveControl serves the control socket until ctx ends.
func (c *cluster) serveControl(ctx context.Context) error {
	listener, err := net.Listen("unix", c.path(controlSocket))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	handle := func(pattern string, do func(r *http.Request) error) {
		mux.HandleFunc("POST "+pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := do(r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	handle("/compact", func(r *http.Request) error { return compact(r.Context()) })
	handle("/rotate-tokens", func(*http.Request) error { return c.component("node").signal(syscall.SIGHUP) })
	handle("/{verb}/{component}", func(r *http.Request) error {
		do, p := verbs[r.PathValue("verb")], c.component(r.PathValue("component"))
		if do == nil || p == nil || p.name == "node" { // pods do not outlive their node
			return errors.New("no such verb or component")
		}
		return do(p)
	})
	server := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (c *cluster) component(name string) *component {
	i := slices.IndexFunc(c.components, func(p *component) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return c.components[i]
}

// compact moves etcd's revision on and compacts its history up to there, so that every watch from before is too old.
func compact(ctx context.Context) error {
	var put struct {
		Header struct{ Revision string }
	}
	if err := askEtcd(ctx, "put", map[string]any{"key": []byte("/testcluster/compacted"), "value": []byte(os.Args[0])}, &put); err != nil {
		return err
	}
	return askEtcd(ctx, "compaction", map[string]any{"revision": put.Header.Revision, "physical": true}, nil)
}

func askEtcd(ctx context.Context, what string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, etcdURL+"/v3/kv/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if answer == nil || response.StatusCode != http.StatusOK {
		return responseError(response)
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(answer)
}
