/*
 * The limit: writes octets that were rendered before and counts the line ends of
 * what comes back. One session blocks in recv; several share an epoll. It takes the
 * flags of the other clients and prints the same line, less what C does not count.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct step {
	const char *octets;
	size_t len;
	int replies;
};

enum mode { PLAIN, PIPELINED, CHUNKED };

static enum mode mode = PLAIN;
static struct sockaddr_in server;
static long messages = 1000, size = 4096;
static int rcpts = 1, sessions = 1, window = 1, reconnect;
static const char *body_file;

/* What is sent: the steps before the content, the content, and both in one. */
static struct step *before, content, joined, one;
static int nbefore;

struct session {
	int fd;
	long left;          /* messages whose last step has not been begun */
	int at;             /* the next of the steps before the content; nbefore: the content */
	int out;            /* chunked: messages unanswered */
	const char *unsent; /* of the current write */
	size_t unsent_len;
	long due; /* replies that are to come before the next step */
};

static void die(const char *what)
{
	fprintf(stderr, "blaster: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *need(size_t n)
{
	void *p = malloc(n);
	if (p == NULL)
		die("malloc");
	return p;
}

static char *read_file(const char *name, size_t *len)
{
	int fd = open(name, O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		die(name);
	char *p = need(st.st_size);
	size_t n = 0;
	while (n < (size_t)st.st_size) {
		ssize_t k = read(fd, p + n, st.st_size - n);
		if (k <= 0)
			die(name);
		n += k;
	}
	close(fd);
	*len = n;
	return p;
}

static char *make_text(size_t *len)
{
	static const char line[] = "A line of text as people write them; seventy-odd octets, with its end\r\n";
	char *p = need(size);
	for (long i = 0; i < size; i++)
		p[i] = line[i % (sizeof line - 1)];
	memcpy(p + size - 4, "xx\r\n", 4);
	*len = size;
	return p;
}

static char *stuff(const char *p, size_t n, size_t *len)
{
	char *q = need(2 * n + 3), *w = q;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '.' && (i == 0 || p[i - 1] == '\n'))
			*w++ = '.';
		*w++ = p[i];
	}
	memcpy(w, ".\r\n", 3);
	*len = w + 3 - q;
	return q;
}

static void render(void)
{
	size_t n, stuffed_len, cap = 256 + 64 * (size_t)rcpts;
	char *text = body_file ? read_file(body_file, &n) : make_text(&n);
	char *stuffed = stuff(text, n, &stuffed_len);
	char *envelope = need(cap), *w = envelope;

	before = need(sizeof *before * (rcpts + 2));
	w += sprintf(w, "MAIL FROM:<sender@client.example>\r\n");
	before[nbefore++] = (struct step){envelope, w - envelope, 1};
	for (int i = 0; i < rcpts; i++) {
		char *start = w;
		w += sprintf(w, "RCPT TO:<recipient%d@mx.example>\r\n", i);
		before[nbefore++] = (struct step){start, w - start, 1};
	}
	size_t envelope_len = w - envelope;
	w += sprintf(w, "DATA\r\n");
	before[nbefore++] = (struct step){w - 6, 6, 1};
	content = (struct step){stuffed, stuffed_len, 1};

	if (mode == PIPELINED) {
		size_t len = w - envelope;
		char *p = need(stuffed_len + len);
		memcpy(p, stuffed, stuffed_len);
		memcpy(p + stuffed_len, envelope, len);
		joined = (struct step){p, stuffed_len + len, rcpts + 3};
		before[0] = (struct step){envelope, len, rcpts + 2};
		nbefore = 1;
	}
	if (mode == CHUNKED) {
		char head[64];
		size_t head_len = sprintf(head, "BDAT %zu LAST\r\n", n);
		size_t len = envelope_len + head_len + n;
		char *p = need(len * window);
		memcpy(p, envelope, envelope_len);
		memcpy(p + envelope_len, head, head_len);
		memcpy(p + envelope_len + head_len, text, n);
		for (int i = 1; i < window; i++)
			memcpy(p + i * len, p, len);
		one = (struct step){p, len, rcpts + 2};
	}
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
		if (k < 0)
			die("send");
		p += k;
		n -= k;
	}
}

static int count_lines(const char *p, ssize_t n)
{
	int lines = 0;
	for (const char *end = p + n; (p = memchr(p, '\n', end - p)) != NULL; p++)
		lines++;
	return lines;
}

/* A session, greeted. */
static int open_session(void)
{
	char buf[4096];
	size_t n = 0;
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (recv(fd, buf, sizeof buf, 0) <= 0)
		die("greeting");
	send_all(fd, "EHLO client.example\r\n", 21);
	do {
		ssize_t k = recv(fd, buf + n, sizeof buf - 1 - n, 0);
		if (k <= 0)
			die("EHLO");
		n += k;
		buf[n] = 0;
	} while (strstr(buf, "250 ") == NULL || buf[n - 1] != '\n');
	return fd;
}

static void close_session(int fd)
{
	char buf[512];
	send_all(fd, "QUIT\r\n", 6);
	if (recv(fd, buf, sizeof buf, 0) <= 0)
		die("QUIT");
	close(fd);
}

static void begin(struct session *s, const char *p, size_t n, int replies)
{
	s->unsent = p;
	s->unsent_len = n;
	s->due += replies;
}

/* The next write of a session whose replies have come; 0: it has no more to do. */
static int advance(struct session *s)
{
	if (mode == CHUNKED) {
		int k = window - s->out;
		if (k > s->left)
			k = s->left;
		if (k > 0) {
			s->left -= k;
			s->out += k;
			begin(s, one.octets, one.len * k, one.replies * k);
		}
		return s->out > 0;
	}
	if (s->left == 0)
		return 0;
	struct step *st;
	if (s->at < nbefore) {
		st = &before[s->at++];
	} else {
		s->left--;
		s->at = 0;
		st = &content;
		if (mode == PIPELINED && s->left > 0) {
			st = &joined;
			s->at = nbefore;
		}
	}
	begin(s, st->octets, st->len, st->replies);
	return 1;
}

/* Replies have come: may the session go on? */
static int answered(struct session *s, int lines)
{
	s->due -= lines;
	if (mode != CHUNKED)
		return s->due == 0;
	int out = (s->due + one.replies - 1) / one.replies;
	int more = out < s->out;
	s->out = out;
	return more;
}

static void run_blocking(int fd, long n)
{
	char buf[4096];
	struct session s = {.fd = fd, .left = n};
	while (advance(&s)) {
		send_all(fd, s.unsent, s.unsent_len);
		s.unsent_len = 0;
		for (;;) {
			ssize_t k = recv(fd, buf, sizeof buf, 0);
			if (k <= 0)
				die("recv");
			if (answered(&s, count_lines(buf, k)))
				break;
		}
	}
}

/* Writes what can be written; 0: the socket is full. */
static int push(struct session *s)
{
	while (s->unsent_len > 0) {
		ssize_t k = send(s->fd, s->unsent, s->unsent_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (k < 0 && errno == EAGAIN)
			return 0;
		if (k < 0)
			die("send");
		s->unsent += k;
		s->unsent_len -= k;
	}
	return 1;
}

static void interest(int ep, int op, struct session *s, int full)
{
	struct epoll_event e = {.events = EPOLLIN | (full ? EPOLLOUT : 0), .data.ptr = s};
	if (epoll_ctl(ep, op, s->fd, &e) < 0)
		die("epoll_ctl");
}

static void run_epoll(int *fds, long each, long rest)
{
	struct session *all = calloc(sessions, sizeof *all);
	struct epoll_event events[64];
	char buf[4096];
	int busy = 0, ep = epoll_create1(EPOLL_CLOEXEC);
	if (all == NULL || ep < 0)
		die("epoll");
	for (int i = 0; i < sessions; i++) {
		struct session *s = &all[i];
		s->fd = fds[i];
		s->left = each + (i < rest);
		if (!advance(s))
			continue;
		busy++;
		interest(ep, EPOLL_CTL_ADD, s, !push(s));
	}
	while (busy > 0) {
		int n = epoll_wait(ep, events, 64, -1);
		for (int i = 0; i < n; i++) {
			struct session *s = events[i].data.ptr;
			int was_full = s->unsent_len > 0, ready = 0;
			if (events[i].events & EPOLLIN) {
				ssize_t k = recv(s->fd, buf, sizeof buf, MSG_DONTWAIT);
				if (k == 0 || (k < 0 && errno != EAGAIN))
					die("recv");
				ready = k > 0 && answered(s, count_lines(buf, k));
			}
			if (was_full) { /* what was begun first */
				if (!push(s))
					continue;
				interest(ep, EPOLL_CTL_MOD, s, 0);
				ready = mode == CHUNKED;
			}
			if (!ready)
				continue;
			if (!advance(s)) {
				epoll_ctl(ep, EPOLL_CTL_DEL, s->fd, NULL);
				busy--;
			} else if (!push(s)) {
				interest(ep, EPOLL_CTL_MOD, s, 1);
			}
		}
	}
	close(ep);
	free(all);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

static void send_load(int *fds, long n)
{
	if (reconnect) {
		for (long i = 0; i < n; i++) {
			int fd = open_session();
			run_blocking(fd, 1);
			close_session(fd);
		}
	} else if (sessions == 1) {
		run_blocking(fds[0], n);
	} else {
		run_epoll(fds, n / sessions, n % sessions);
	}
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *f = argv[i];
		if (strcmp(f, "--reconnect") == 0) {
			reconnect = 1;
			continue;
		}
		if (i + 1 == argc) {
			fprintf(stderr, "blaster: %s wants a value or is not known\n", f);
			exit(64);
		}
		char *v = argv[++i];
		if (strcmp(f, "--addr") == 0) {
			char *colon = strrchr(v, ':');
			if (colon == NULL)
				die("--addr");
			*colon = 0;
			server.sin_family = AF_INET;
			server.sin_port = htons(atoi(colon + 1));
			if (inet_pton(AF_INET, v, &server.sin_addr) != 1)
				die("--addr");
		} else if (strcmp(f, "--messages") == 0) {
			messages = atol(v);
		} else if (strcmp(f, "--size") == 0) {
			size = atol(v);
		} else if (strcmp(f, "--rcpts") == 0) {
			rcpts = atoi(v);
		} else if (strcmp(f, "--sessions") == 0) {
			sessions = atoi(v);
		} else if (strcmp(f, "--inflight") == 0) {
			window = atoi(v);
		} else if (strcmp(f, "--body-file") == 0) {
			body_file = v;
		} else if (strcmp(f, "--mode") == 0) {
			mode = strcmp(v, "plain") == 0 ? PLAIN : strcmp(v, "pipelined") == 0 ? PIPELINED : CHUNKED;
		} else {
			fprintf(stderr, "blaster: %s is not known\n", f);
			exit(64);
		}
	}
	if (server.sin_port == 0 || messages < 1 || size < 64 || rcpts < 1 || sessions < 1 || window < 1) {
		fprintf(stderr, "blaster: --addr is needed, --size is at least 64, and every count at least 1\n");
		exit(64);
	}
}

int main(int argc, char **argv)
{
	struct rusage before_use, use;

	parse(argc, argv);
	render();
	int *fds = need(sizeof *fds * sessions);
	if (!reconnect)
		for (int i = 0; i < sessions; i++)
			fds[i] = open_session();
	send_load(fds, (size < 1 << 20 ? 4L : 1L) * sessions);

	getrusage(RUSAGE_SELF, &before_use);
	double start = now();
	send_load(fds, messages);
	double took = now() - start;
	getrusage(RUSAGE_SELF, &use);

	if (!reconnect)
		for (int i = 0; i < sessions; i++)
			close_session(fds[i]);
	printf("{\"seconds\":%.9f,\"messages\":%ld,\"cpu_user\":%.6f,\"cpu_sys\":%.6f}\n", took, messages,
	       seconds(use.ru_utime) - seconds(before_use.ru_utime), seconds(use.ru_stime) - seconds(before_use.ru_stime));
	return 0;
}
