// The peer of the ACME benchmarks that is a Go program on acmez. It reads slices of orders from standard input, one JSON line each,
// and answers each with what came of it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// The default of 250 ms would make the figures ones of timers.
const shortPoll = 20 * time.Millisecond

type site struct {
	Directory string `json:"directory"`
	Roots     string `json:"roots"`
	Answers   string `json:"answers"`
	Challenge string `json:"challenge"`
}

type slice struct {
	Orders   [][]string `json:"orders"`
	Parallel int        `json:"parallel"`
}

type outcome struct {
	Lost  []string `json:"lost"`
	Ms    float64  `json:"ms"`
	CPUMs float64  `json:"cpuMs"`
}

// answers publishes at the challenge test server, which can only forget all values of a host at once: that waits for the last one.
type answers struct {
	url    string
	client *http.Client
	mu     sync.Mutex
	counts map[string]int
}

func (a *answers) post(path string, body map[string]string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	response, err := a.client.Post(a.url+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func (a *answers) count(host string, by int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[host] += by
	left := a.counts[host]
	if left == 0 {
		delete(a.counts, host)
	}
	return left
}

func (a *answers) Present(_ context.Context, challenge acme.Challenge) error {
	if challenge.Type == acme.ChallengeTypeHTTP01 {
		return a.post("/add-http01", map[string]string{"token": challenge.Token, "content": challenge.KeyAuthorization})
	}
	host := challenge.DNS01TXTRecordName() + "."
	a.count(host, 1)
	return a.post("/set-txt", map[string]string{"host": host, "value": challenge.DNS01KeyAuthorization()})
}

func (a *answers) CleanUp(_ context.Context, challenge acme.Challenge) error {
	if challenge.Type == acme.ChallengeTypeHTTP01 {
		return a.post("/del-http01", map[string]string{"token": challenge.Token})
	}
	host := challenge.DNS01TXTRecordName() + "."
	if a.count(host, -1) > 0 {
		return nil
	}
	return a.post("/clear-txt", map[string]string{"host": host})
}

func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func ms(duration time.Duration) float64 {
	return float64(duration) / float64(time.Millisecond)
}

func obtain(client *acmez.Client, account acme.Account, names []string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	chains, err := client.ObtainCertificateForSANs(context.Background(), account, key, names)
	if err == nil && len(chains) == 0 {
		return fmt.Errorf("no certificate")
	}
	return err
}

func work(client *acmez.Client, account acme.Account, wanted slice) outcome {
	result := outcome{Lost: []string{}}
	queue := make(chan []string)
	var mu sync.Mutex
	var workers sync.WaitGroup
	began, used := time.Now(), cpu()
	for range wanted.Parallel {
		workers.Go(func() {
			for names := range queue {
				if err := obtain(client, account, names); err != nil {
					mu.Lock()
					result.Lost = append(result.Lost, err.Error())
					mu.Unlock()
				}
			}
		})
	}
	for _, names := range wanted.Orders {
		queue <- names
	}
	close(queue)
	workers.Wait()
	result.Ms, result.CPUMs = ms(time.Since(began)), ms(cpu()-used)
	return result
}

func run() error {
	var at site
	if err := json.Unmarshal([]byte(os.Args[1]), &at); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(at.Roots))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.MaxIdleConnsPerHost = 16
	connections := &http.Client{Transport: transport}
	solver := &answers{url: at.Answers, client: connections, counts: map[string]int{}}
	client := &acmez.Client{
		Client:           &acme.Client{Directory: at.Directory, HTTPClient: connections, PollInterval: shortPoll},
		ChallengeSolvers: map[string]acmez.Solver{at.Challenge: solver},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	account, err := client.NewAccount(context.Background(), acme.Account{TermsOfServiceAgreed: true, PrivateKey: key})
	if err != nil {
		return err
	}
	fmt.Println(`"ready"`)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var wanted slice
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(work(client, account, wanted)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
