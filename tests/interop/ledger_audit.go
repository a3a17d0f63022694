// SPDX-License-Identifier: Apache-2.0
// Audits a ledger with Go's sumdb/note and sumdb/tlog alone: the checkpoint's Ed25519 signature,
// each entry against the tiles, our proofs of inclusion and of consistency.
// Arguments: the ledger, the older checkpoint, the consistency proof, and x0.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	must(err)
	return data
}

func index(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

// What a checkpoint says, once its signature verified.
func open(path string, verifiers note.Verifiers) (int64, tlog.Hash) {
	n, err := note.Open(read(path), verifiers)
	must(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != n.Sigs[0].Name || lines[3] != "" {
		log.Fatalf("a checkpoint has three lines: %q", n.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var hash tlog.Hash
	if copy(hash[:], root) != tlog.HashSize {
		log.Fatal("a root of another length")
	}
	return size, hash
}

type tiles struct{ directory string }

func (t tiles) Height() int                             { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte)     {}
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range list {
		path := fmt.Sprintf("tile/%d/%s", tile.L, index(tile.N))
		if tile.W < 256 {
			path += fmt.Sprintf(".p/%d", tile.W)
		}
		all = append(all, read(filepath.Join(t.directory, path)))
	}
	return all, nil
}

func bundle(directory string, n, size int64) []byte {
	path := "tile/entries/" + index(n)
	if size-n*256 < 256 {
		path += fmt.Sprintf(".p/%d", size-n*256)
	}
	return read(filepath.Join(directory, path))
}

func entries(directory string, size int64) [][]byte {
	var all [][]byte
	for n := int64(0); n*256 < size; n++ {
		for data := bundle(directory, n, size); len(data) > 0; {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all
}

func checkEntries(directory string, size int64, root tlog.Hash) {
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{directory})
	all := entries(directory, size)
	if int64(len(all)) != size {
		log.Fatalf("%d entries instead of %d", len(all), size)
	}
	for i, entry := range all {
		var members map[string]interface{}
		must(json.Unmarshal(entry, &members))
		proof, err := tlog.ProveRecord(size, int64(i), reader)
		must(err)
		must(tlog.CheckRecord(proof, size, root, int64(i), tlog.RecordHash(entry)))
	}
}

// Our proof of one entry, as x0 prints it.
func checkProof(x0, directory string, n, size int64, root tlog.Hash) {
	out, err := exec.Command(x0, "ledger", "prove", strconv.FormatInt(n, 10), "--json",
		"--directory", directory).Output()
	must(err)
	var said struct {
		Index int64
		Size  int64
		Entry string
		Proof []string
	}
	must(json.Unmarshal(out, &said))
	var proof tlog.RecordProof
	for _, text := range said.Proof {
		proof = append(proof, parseHash(text))
	}
	if said.Index != n || said.Size != size {
		log.Fatalf("a proof of something else: %s", out)
	}
	must(tlog.CheckRecord(proof, size, root, n, tlog.RecordHash([]byte(said.Entry))))
}

func parseHash(text string) tlog.Hash {
	var hash tlog.Hash
	data, err := hex.DecodeString(text)
	must(err)
	if copy(hash[:], data) != tlog.HashSize {
		log.Fatal("a hash of another length")
	}
	return hash
}

func main() {
	directory, older, proofFile, x0 := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	line := strings.SplitN(string(read(filepath.Join(directory, "verifiers"))), "\n", 2)[0]
	verifier, err := note.NewVerifier(line)
	must(err)
	verifiers := note.VerifierList(verifier)
	size, root := open(filepath.Join(directory, "checkpoint"), verifiers)
	oldSize, oldRoot := open(older, verifiers)
	checkEntries(directory, size, root)
	for _, n := range []int64{0, 1, 255, 256, 511, 767, 768, 999} {
		checkProof(x0, directory, n, size, root)
	}
	var proof tlog.TreeProof
	for _, text := range strings.Fields(string(read(proofFile))) {
		proof = append(proof, parseHash(text))
	}
	must(tlog.CheckTree(proof, size, root, oldSize, oldRoot))
	oldRoot[0] ^= 1
	if tlog.CheckTree(proof, size, root, oldSize, oldRoot) == nil {
		log.Fatal("a wrong root was accepted: this test proves nothing")
	}
	fmt.Printf("%d entries, 8 proofs of inclusion, 1 of consistency with the first %d: verified by Go's sumdb\n",
		size, oldSize)
}
