// SPDX-License-Identifier: MIT

// A plain server of server-sent events on net/http, as anyone would write it: nothing in it knows that it is traced.
//
//	/small/600      a body of that many bytes with a Content-Length
//	/sse/5/10       5 events, one every 10 ms, chunked
//	/trailers/3     3 chunks and a trailer
//
// Each head says when the handler had the request: X-Served-At, ns of CLOCK_REALTIME.
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

func numbers(request *http.Request) []int {
	var found []int
	for _, word := range strings.Split(request.URL.Path, "/")[2:] {
		number, _ := strconv.Atoi(word)
		found = append(found, number)
	}
	return found
}

func serve(kind func(http.ResponseWriter, []int)) http.HandlerFunc {
	return func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("X-Served-At", strconv.FormatInt(time.Now().UnixNano(), 10))
		kind(writer, numbers(request))
	}
}

func small(writer http.ResponseWriter, wanted []int) {
	writer.Header().Set("Content-Length", strconv.Itoa(wanted[0]))
	writer.Write(bytes.Repeat([]byte("s"), wanted[0]))
}

func events(writer http.ResponseWriter, wanted []int) {
	writer.Header().Set("Content-Type", "text/event-stream")
	for number := 0; number < wanted[0]; number++ {
		time.Sleep(time.Duration(wanted[1]) * time.Millisecond)
		fmt.Fprintf(writer, "id: %d\ndata: {\"text\": \"event\"}\n\n", number)
		writer.(http.Flusher).Flush()
	}
}

func trailers(writer http.ResponseWriter, wanted []int) {
	writer.Header().Set("Trailer", "X-Sum")
	for number := 0; number < wanted[0]; number++ {
		fmt.Fprintf(writer, "chunk %d\n", number)
		writer.(http.Flusher).Flush()
	}
	writer.Header().Set("X-Sum", "1234")
}

func main() {
	http.HandleFunc("/small/", serve(small))
	http.HandleFunc("/sse/", serve(events))
	http.HandleFunc("/trailers/", serve(trailers))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, nil))
}
