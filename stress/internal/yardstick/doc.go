// Package yardstick builds and runs the C program that the Go clients are held against. Its source is part of the binary; it needs cc.
//
// The program does what a client cannot do without: epoll_wait, recv and send. It takes each answer to be as long as the first one, looks at nothing of it, and
// lets nobody wait. What it takes is the kernel's part: the price of a system call, of a segment, of a wake-up.
package yardstick
