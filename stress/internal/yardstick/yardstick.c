//go:build ignore

// A yardstick: the same work as the Go clients do, in C, with nothing between
// the program and the kernel. One mode a run:
//
//	yardstick MODE SECONDS WARMUP COUNT FRAME ADDRESS...
//
//	spin        one connection, one request in flight, recv without waiting
//	block       the same, blocking
//	epoll-many  COUNT connections with one request in flight each, one thread
//	epoll-pipe  one connection with COUNT requests in flight; as many requests
//	            as a read brought answers go out in one write
//	rest-many   as epoll-many, and
//	rest-pipe   as epoll-pipe, but asleep for a millisecond before each look,
//	            so that one wake-up finds several answers
//	rawread     one connection, one request in flight, blocking reads into
//	            one buffer: for answers of a megabyte
//
// FRAME is the request in hexadecimal, with its size prefix; ADDRESS is
// ipv4:port, and connections are dealt to them in turn. All answers must be
// of one size, which the first tells. It prints one line of JSON.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER (4 << 20)

static char *frame;
static size_t frame_len;
static size_t answer_len; // with the size prefix
static char *buffer;
static double seconds, warmup;
static int rests;

static void die(const char *what) {
	fprintf(stderr, "yardstick: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
	exit(1);
}

static int64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// ---- histogram: 64 steps in each power of two, in nanoseconds

#define STEPS 64
static uint64_t counts[64 * STEPS];
static uint64_t recorded;
static int64_t longest;

static int slot(int64_t v) {
	if (v < STEPS)
		return (int)v;
	int shift = 63 - __builtin_clzll((unsigned long long)v) - 6;
	return (shift + 1) * STEPS + (int)((v >> shift) - STEPS);
}

static int64_t value_of(int s) {
	if (s < STEPS)
		return s;
	int shift = s / STEPS - 1;
	return ((int64_t)(s % STEPS + STEPS) << shift) + ((1LL << shift) >> 1);
}

static double quantile_us(double q) {
	uint64_t want = (uint64_t)(q * (double)recorded), seen = 0;
	for (int s = 0; s < 64 * STEPS; s++) {
		seen += counts[s];
		if (seen > want)
			return (double)value_of(s) / 1e3;
	}
	return (double)longest / 1e3;
}

// ---- measuring: a warm-up, then the window

static int64_t begin_ns, end_ns;
static int measuring;
static uint64_t requests;
static double cpu_begin;

static double cpu_seconds(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void start_clock(void) {
	begin_ns = now_ns() + (int64_t)(warmup * 1e9);
	end_ns = begin_ns + (int64_t)(seconds * 1e9);
}

// running opens the window when the warm-up is over and says whether the
// window is still open.
static int running(int64_t t) {
	if (!measuring && t >= begin_ns) {
		measuring = 1;
		end_ns += t - begin_ns;
		begin_ns = t;
		requests = recorded = 0;
		longest = 0;
		memset(counts, 0, sizeof counts);
		cpu_begin = cpu_seconds();
	}
	return t < end_ns;
}

static void answered(int64_t took) {
	requests++;
	if (took < 0)
		took = 0;
	counts[slot(took)]++;
	recorded++;
	if (took > longest)
		longest = took;
}

static void print_result(void) {
	double cpu = cpu_seconds() - cpu_begin;
	double took = (double)(now_ns() - begin_ns) / 1e9;
	printf("{\"requests\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"samples\":%llu,"
	       "\"p50_us\":%.3f,\"p99_us\":%.3f,\"p999_us\":%.3f,\"max_us\":%.3f,\"answer_bytes\":%zu}\n",
	       (unsigned long long)requests, took, cpu, (unsigned long long)recorded,
	       quantile_us(0.5), quantile_us(0.99), quantile_us(0.999), (double)longest / 1e3, answer_len);
}

// ---- sockets

static int dial(const char *address) {
	char host[64];
	const char *colon = strrchr(address, ':');
	if (!colon || (size_t)(colon - address) >= sizeof host)
		die("address");
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = 0;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		die("address");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		die("connect");
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

// send_all sends without waiting for answers; on a full socket it waits.
static void send_all(int fd, const char *p, size_t n) {
	while (n > 0) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			die("send");
		p += w;
		n -= (size_t)w;
	}
}

// first_answer learns the size of an answer.
static void first_answer(int fd) {
	send_all(fd, frame, frame_len);
	size_t got = 0, want = 4;
	while (got < want) {
		ssize_t r = recv(fd, buffer, BUFFER, 0);
		if (r <= 0)
			die("first answer");
		if (got == 0) {
			if (r < 4)
				die("first answer: less than a size");
			unsigned char *b = (unsigned char *)buffer;
			want = 4 + (((size_t)b[0] << 24) | ((size_t)b[1] << 16) | ((size_t)b[2] << 8) | b[3]);
		}
		got += (size_t)r;
	}
	if (got != want)
		die("first answer: more than asked for");
	answer_len = want;
}

// ---- modes

static void one_in_flight(int fd, int flags, size_t chunk) {
	start_clock();
	int64_t sent = now_ns();
	while (running(sent)) {
		send_all(fd, frame, frame_len);
		for (size_t got = 0; got < answer_len;) {
			ssize_t r = recv(fd, buffer + (chunk > answer_len ? 0 : got), chunk > answer_len ? chunk : answer_len - got, flags);
			if (r < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			if (r <= 0)
				die("recv");
			got += (size_t)r;
		}
		int64_t t = now_ns();
		answered(t - sent);
		sent = t;
	}
}

struct conn {
	int fd;
	size_t got;
	int64_t sent;
};

// rest lets answers gather.
static void rest(void) {
	struct timespec t = {.tv_nsec = 1000000};
	if (rests)
		nanosleep(&t, NULL);
}

static void many(struct conn *c, int n) {
	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0)
		die("epoll_create1");
	for (int i = 0; i < n; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &c[i]};
		if (epoll_ctl(ep, EPOLL_CTL_ADD, c[i].fd, &e) != 0)
			die("epoll_ctl");
	}
	start_clock();
	int64_t t = now_ns();
	for (int i = 0; i < n; i++) {
		c[i].sent = t;
		send_all(c[i].fd, frame, frame_len);
	}
	static struct epoll_event events[1024];
	while (running(t = now_ns())) {
		rest();
		int k = epoll_wait(ep, events, 1024, 100);
		if (k < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < k; i++) {
			struct conn *x = events[i].data.ptr;
			ssize_t r = recv(x->fd, buffer, 64 << 10, MSG_DONTWAIT);
			if (r < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			if (r <= 0)
				die("recv");
			if ((x->got += (size_t)r) < answer_len)
				continue;
			x->got = 0;
			int64_t at = now_ns();
			answered(at - x->sent);
			x->sent = at;
			send_all(x->fd, frame, frame_len);
		}
	}
}

static void pipe_one(int fd, int depth) {
	char *batch = malloc(frame_len * (size_t)depth);
	int64_t *sent = malloc(sizeof(int64_t) * (size_t)depth);
	if (!batch || !sent)
		die("malloc");
	for (int i = 0; i < depth; i++)
		memcpy(batch + (size_t)i * frame_len, frame, frame_len);
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN};
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) != 0)
		die("epoll");
	start_clock();
	int64_t t = now_ns();
	for (int i = 0; i < depth; i++)
		sent[i] = t;
	send_all(fd, batch, frame_len * (size_t)depth);
	size_t got = 0;
	int head = 0;
	while (running(t)) {
		rest();
		int k = epoll_wait(ep, &e, 1, 100);
		if (k < 0 && errno != EINTR)
			die("epoll_wait");
		if (k <= 0) {
			t = now_ns();
			continue;
		}
		ssize_t r = recv(fd, buffer, 64 << 10, MSG_DONTWAIT);
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (r <= 0)
			die("recv");
		got += (size_t)r;
		int n = (int)(got / answer_len);
		got %= answer_len;
		t = now_ns();
		for (int i = 0; i < n; i++) {
			answered(t - sent[head]);
			sent[head] = t;
			head = (head + 1) % depth;
		}
		if (n > 0)
			send_all(fd, batch, frame_len * (size_t)n);
	}
}

int main(int argc, char **argv) {
	if (argc < 7) {
		fprintf(stderr, "usage: yardstick MODE SECONDS WARMUP COUNT FRAME ADDRESS...\n");
		return 2;
	}
	const char *mode = argv[1];
	seconds = atof(argv[2]);
	warmup = atof(argv[3]);
	int count = atoi(argv[4]);
	frame_len = strlen(argv[5]) / 2;
	frame = malloc(frame_len + 1);
	buffer = malloc(BUFFER);
	if (!frame || !buffer || count < 1)
		die("arguments");
	for (size_t i = 0; i < frame_len; i++) {
		unsigned v;
		if (sscanf(argv[5] + 2 * i, "%2x", &v) != 1)
			die("frame");
		frame[i] = (char)v;
	}
	int fd = dial(argv[6]);
	first_answer(fd);
	if (answer_len > BUFFER)
		die("answer too large");

	if (!strncmp(mode, "rest-", 5))
		rests = 1;

	if (!strcmp(mode, "spin")) {
		one_in_flight(fd, MSG_DONTWAIT, 64 << 10);
	} else if (!strcmp(mode, "block")) {
		one_in_flight(fd, 0, 64 << 10);
	} else if (!strcmp(mode, "rawread")) {
		one_in_flight(fd, 0, 0);
	} else if (!strcmp(mode, "epoll-pipe") || !strcmp(mode, "rest-pipe")) {
		pipe_one(fd, count);
	} else if (!strcmp(mode, "epoll-many") || !strcmp(mode, "rest-many")) {
		struct conn *c = calloc((size_t)count, sizeof *c);
		if (!c)
			die("calloc");
		c[0].fd = fd;
		for (int i = 1; i < count; i++)
			c[i].fd = dial(argv[6 + i % (argc - 6)]);
		many(c, count);
	} else {
		fprintf(stderr, "yardstick: no mode %s\n", mode);
		return 2;
	}
	print_result();
	return 0;
}
