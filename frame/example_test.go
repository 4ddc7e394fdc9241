package frame_test

import (
	"fmt"

	"kafkaio/frame"
)

func ExampleAssembler() {
	// Two reads: the first ends inside the second frame.
	reads := [][]byte{
		[]byte("\x00\x00\x00\x05hello\x00\x00\x00\x05wo"),
		[]byte("rld\x00\x00\x00\x00"),
	}
	var a frame.Assembler
	for _, rest := range reads {
		for len(rest) > 0 {
			f, more, ok, err := a.Next(rest)
			if err != nil {
				fmt.Println(err)
				return
			}
			if ok {
				fmt.Printf("%q owned: %t\n", f.Payload, f.Owned)
			}
			rest = more
		}
		if have, want := a.Progress(); a.MidFrame() {
			fmt.Printf("%d of %d bytes so far\n", have, want)
		}
	}
	// Output:
	// "hello" owned: false
	// 2 of 5 bytes so far
	// "world" owned: true
	// "" owned: false
}

func ExampleAssembler_Room() {
	var a frame.Assembler
	if _, _, _, err := a.Next([]byte("\x00\x00\x00\x0bhello")); err != nil {
		fmt.Println(err)
		return
	}
	n := copy(a.Room(), " world") // a reader would read its socket into Room
	f, ok := a.Filled(n)
	fmt.Printf("%q %t\n", f.Payload, ok)
	// Output:
	// "hello world" true
}

func ExampleSizeError() {
	var a frame.Assembler
	_, _, _, err := a.Next([]byte("HTTP/1.1 400 Bad Request\r\n"))
	fmt.Println(err)
	// Output:
	// frame size 1213486160 is over the limit of 104857600 bytes: the peer answers in HTTP: wrong port or a proxy, connect to a Kafka listener
}

func ExampleAppendRequestHeader() {
	client := "probe"
	request := frame.AppendRequestHeader(nil, 1, frame.RequestHeader{
		Key:           frame.APIKeyApiVersions,
		Version:       0,
		CorrelationID: 1,
		ClientID:      &client,
	})
	frame.PutCorrelationID(request, 7)
	fmt.Printf("% x\n", request)
	// Output:
	// 00 12 00 00 00 00 00 07 00 05 70 72 6f 62 65
}

func ExampleParseRequestHeader() {
	request := []byte("\x00\x12\x00\x03\x00\x00\x00\x07\x00\x05probe\x00body")
	h, body, err := frame.ParseRequestHeader(request, 2)
	fmt.Println(h.Key, h.Version, h.CorrelationID, *h.ClientID, string(body), err)
	// Output:
	// ApiVersions 3 7 probe body <nil>
}

func ExampleParseResponseHeader() {
	response := []byte("\x00\x00\x00\x07\x00body")
	id, body, err := frame.ParseResponseHeader(response, 1)
	fmt.Println(id, string(body), err)
	_, _, err = frame.ParseResponseHeader([]byte("\x00\x00\x00\x07\xff\xff\xff\xff\x0f"), 1)
	fmt.Println(err)
	// Output:
	// 7 body <nil>
	// header field "tag count" at offset 4: too many tags: 4294967295, at most 1024
}
