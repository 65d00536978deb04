// SPDX-License-Identifier: MIT

// A server of event streams whose handlers leak goroutines in the ways that handlers do, and that knows how many it has:
// each byte on its standard input is answered with `N count`.
//
//	/good            a producer that ends with its client: no leak
//	/silent          writes nothing: no leak either, net/http answers by itself
//	/waits           waits for a channel that nobody closes
//	/producer        its producer does not know that the client has gone, and blocks in a channel send
//	/writers         three writers take turns; the turn is lost with the client
//	/hijacked        takes the connection over, ignores the errors of its writes and never closes it
//	/fanout?n=10     starts n goroutines that all block in a channel send
//	/nested          starts a goroutine that starts one that stays, and ends
//	/upstream        waits for an upstream that never answers
//	/patient         only waits until its client has gone: no leak
//	/locked          waits for a lock that nobody gives back
//	/spawn?n=1000    starts n goroutines that wait until /release
//	/churn?n=10000   starts and ends n goroutines, a hundred at once
//	/turnover?rate=10000&for=2s  the same, so many a second, for so long
//	/gc              a cycle of the garbage collector
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const tick = 50 * time.Millisecond

func begin(writer http.ResponseWriter) http.Flusher {
	writer.Header().Set("Content-Type", "text/event-stream")
	flusher := writer.(http.Flusher)
	flusher.Flush()
	return flusher
}

func number(request *http.Request, name string, otherwise int) int {
	if value, err := strconv.Atoi(request.URL.Query().Get(name)); err == nil {
		return value
	}
	return otherwise
}

func good(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	events := make(chan int)
	done := request.Context().Done()
	go func() {
		for event := 0; ; event++ {
			time.Sleep(tick)
			select {
			case <-done:
				return
			case events <- event:
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		case event := <-events:
			fmt.Fprintf(writer, "data: %d\n\n", event)
			flusher.Flush()
		}
	}
}

func silent(writer http.ResponseWriter, request *http.Request) {
	writer.Header().Set("Content-Type", "application/json")
}

func waits(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	done := make(chan struct{})
	fmt.Fprintf(writer, "data: hello\n\n")
	flusher.Flush()
	<-done
}

func producer(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	events := make(chan int)
	go func() {
		for event := 0; ; event++ {
			time.Sleep(tick)
			events <- event
		}
	}()
	for {
		select {
		case <-request.Context().Done():
			return
		case event := <-events:
			fmt.Fprintf(writer, "data: %d\n\n", event)
			flusher.Flush()
		}
	}
}

func writers(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	var lock sync.Mutex
	for place := 0; place < 3; place++ {
		go func(place int) {
			for event := 0; ; event++ {
				<-turn
				lock.Lock()
				if request.Context().Err() != nil {
					lock.Unlock()
					return // with the turn
				}
				fmt.Fprintf(writer, "data: %d %d\n\n", place, event)
				flusher.Flush()
				lock.Unlock()
				time.Sleep(tick / 3)
				turn <- struct{}{}
			}
		}(place)
	}
	<-request.Context().Done()
	lock.Lock() // the writer that writes now
	lock.Unlock()
}

func hijacked(writer http.ResponseWriter, request *http.Request) {
	connection, _, err := writer.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	connection.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"))
	go func() {
		for {
			_, _ = connection.Write([]byte("data: x\n\n"))
			time.Sleep(tick)
		}
	}()
}

func fanout(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	results := make(chan int, 1)
	results <- 0
	for place := number(request, "n", 10); place > 0; place-- {
		go func(place int) { results <- place }(place)
	}
	fmt.Fprintf(writer, "data: started\n\n")
	flusher.Flush()
	<-request.Context().Done()
}

func nested(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	isStarted := make(chan struct{})
	go func() {
		go hold()
		close(isStarted)
	}()
	<-isStarted
	fmt.Fprintf(writer, "data: started\n\n")
	flusher.Flush()
	<-request.Context().Done()
}

// Takes connections, and never reads of them.
var deaf = func() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}()

func upstream(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	connection, err := net.Dial("tcp", deaf.Addr().String())
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(writer, "data: asked\n\n")
	flusher.Flush()
	connection.Read(make([]byte, 1)) // for ever
}

func patient(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	fmt.Fprintf(writer, "data: hello\n\n")
	flusher.Flush()
	<-request.Context().Done()
}

var taken sync.Mutex

func locked(writer http.ResponseWriter, request *http.Request) {
	flusher := begin(writer)
	fmt.Fprintf(writer, "data: hello\n\n")
	flusher.Flush()
	taken.Lock()
}

var held = make(chan struct{})

func hold() { <-held }

func spawn(writer http.ResponseWriter, request *http.Request) {
	for count := number(request, "n", 1000); count > 0; count-- {
		go hold()
	}
	fmt.Fprintln(writer, "ok")
}

func release(writer http.ResponseWriter, request *http.Request) {
	close(held)
	held = make(chan struct{})
	fmt.Fprintln(writer, "ok")
}

func cycle(count int) {
	var group sync.WaitGroup
	group.Add(count)
	for ; count > 0; count-- {
		go group.Done()
	}
	group.Wait()
}

func churn(writer http.ResponseWriter, request *http.Request) {
	for count := number(request, "n", 10000); count > 0; count -= 100 {
		cycle(100)
	}
	fmt.Fprintln(writer, "ok")
}

func turnover(writer http.ResponseWriter, request *http.Request) {
	length, _ := time.ParseDuration(request.URL.Query().Get("for"))
	rate := number(request, "rate", 10000)
	count := 0
	for start := time.Now(); time.Since(start) < length; time.Sleep(time.Millisecond) {
		for ; count < int(time.Since(start).Seconds()*float64(rate)); count += 10 {
			cycle(10)
		}
	}
	fmt.Fprintln(writer, count)
}

func collect(writer http.ResponseWriter, request *http.Request) {
	runtime.GC()
	fmt.Fprintln(writer, "ok")
}

func main() {
	handlers := map[string]http.HandlerFunc{
		"/good": good, "/silent": silent, "/waits": waits, "/producer": producer, "/writers": writers, "/hijacked": hijacked,
		"/fanout": fanout, "/nested": nested, "/upstream": upstream, "/patient": patient, "/locked": locked, "/spawn": spawn, "/release": release, "/churn": churn, "/turnover": turnover, "/gc": collect,
	}
	for path, handler := range handlers {
		http.HandleFunc(path, handler)
	}
	taken.Lock()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, nil)
	fmt.Printf("{\"port\": %d, \"version\": %q}\n", listener.Addr().(*net.TCPAddr).Port, runtime.Version())
	for asked := make([]byte, 1); ; {
		if count, err := os.Stdin.Read(asked); err != nil || count == 0 {
			return
		}
		fmt.Println("N", runtime.NumGoroutine())
	}
}
