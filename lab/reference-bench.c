/* The workload of benches/handlespace.rs on the reference implementation's handlespace, as Debian ships it (librsphsmgt). It is called as a
   black box: the declarations below are all that is needed of it. Built and run by reference-bench. */
#include <malloc.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pool_handle { size_t size; unsigned char octets[32]; };
struct policy { unsigned type, weight, load, load_degradation, load_dpf, weight_dpf, distance; };
union address { struct sockaddr sa; struct sockaddr_in in; struct sockaddr_in6 in6; };
struct extract { struct pool_handle last; uint32_t last_id; size_t count; void* elements[1024]; };
#define F(name) poolHandlespaceManagement##name##_SimpleRedBlackTree
void poolHandleNew(struct pool_handle*, const unsigned char*, size_t);
void poolPolicySettingsNew(struct policy*);
void transportAddressBlockNew(void*, int protocol, uint16_t port, uint16_t flags, const union address*, size_t n, size_t max);
void F(New)(void*, uint32_t id, void*, void*, void*);
unsigned F(RegisterPoolElement)(void*, const struct pool_handle*, uint32_t home, uint32_t id, unsigned life, const struct policy*,
                                const void* user, const void* asap, int socket, int assoc, unsigned long long now, void** element);
void F(RestartPoolElementExpiryTimer)(void*, void* element, unsigned long long timeout);
unsigned F(HandleResolution)(void*, const struct pool_handle*, void** elements, size_t* n, size_t items, size_t increment);
int F(GetHandleTable)(void*, uint32_t home, struct extract*, unsigned flags, size_t max);
unsigned F(DeregisterPoolElement)(void*, const struct pool_handle*, uint32_t id);

static uint64_t x = 88172645463325252ull;
static uint64_t random64(void) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; return x; }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static size_t live(void) { struct mallinfo2 i = mallinfo2(); return i.uordblks + i.hblkhd; }
static void need(int ok, const char* what) { if(!ok) { fprintf(stderr, "%s failed\n", what); exit(1); } }

struct element { uint32_t pool, id; };
static void shuffle(struct element* e, size_t n) {
   for(size_t i = n - 1; i > 0; i--) { size_t j = random64() % (i + 1); struct element t = e[i]; e[i] = e[j]; e[j] = t; }
}

static char space[65536];
static struct pool_handle* handles;
static void registered(struct element e, unsigned type) {
   static char user[256], asap[256]; union address a; struct policy p; void* node;
   memset(&a, 0, sizeof a); a.in.sin_family = AF_INET; a.in.sin_port = htons(7); a.in.sin_addr.s_addr = e.id;
   transportAddressBlockNew(user, IPPROTO_SCTP, 7, 0, &a, 1, 1);
   transportAddressBlockNew(asap, IPPROTO_SCTP, 3863, 0, &a, 1, 1);
   poolPolicySettingsNew(&p); p.type = type; p.weight = 1 + random64() % 10; p.load = random64(); p.load_degradation = 0xffffffffu / 100;
   need(F(RegisterPoolElement)(space, &handles[e.pool], 0x1234, e.id, 300000, &p, user, asap, -1, 0, 1, &node) == 0, "register");
   F(RestartPoolElementExpiryTimer)(space, node, 1000000 + random64() % 1000000);
}

int main(int argc, char** argv)
{
   need(argc == 5, "usage: reference-bench POOLS ELEMENTS POLICY ITEMS;");
   const size_t pools = atoll(argv[1]), per = atoll(argv[2]), items = atoll(argv[4]), n = pools * per;
   const unsigned type = strtoul(argv[3], NULL, 0);
   F(New)(space, 0x1234, NULL, NULL, NULL);
   handles = malloc(pools * sizeof *handles);
   for(size_t i = 0; i < pools; i++) { char b[32]; int l = snprintf(b, sizeof b, "pool-%08zu", i); poolHandleNew(&handles[i], (unsigned char*)b, l); }
   struct element* e = malloc(n * sizeof *e);
   for(size_t i = 0; i < n; i++) { e[i].pool = i / per; e[i].id = (uint32_t)random64() | 1; }
   shuffle(e, n);

   size_t before = live(); double t = now();
   for(size_t i = 0; i < n; i++) registered(e[i], type);
   double reg = n / (now() - t), bytes = (double)(live() - before) / n;

   void* got[64]; size_t count = 0; t = now();
   do for(int k = 0; k < 1000; k++, count++) { size_t c = 64;
         need(F(HandleResolution)(space, &handles[random64() % pools], got, &c, items, 1000000000) == 0 && c > 0, "resolve"); }
   while(now() - t < 1.0);
   double res = count / (now() - t);

   shuffle(e, n); t = now();
   for(size_t i = 0; i < n; i++) registered(e[i], type);
   double again = n / (now() - t);

   static struct extract x1; size_t seen = 0; t = now();
   do { unsigned flags = 1; size_t s = 0;
      while(F(GetHandleTable)(space, 0x1234, &x1, flags, 128) && x1.count) { s += x1.count; flags = 0; }
      need(s == n, "table"); seen += s; } while(now() - t < 0.5);
   double table = seen / (now() - t);

   shuffle(e, n); t = now();
   for(size_t i = 0; i < n; i++) need(F(DeregisterPoolElement)(space, &handles[e[i].pool], e[i].id) == 0, "deregister");
   double dereg = n / (now() - t);
   printf("{\"pools\":%zu,\"elements\":%zu,\"policy\":%u,\"items\":%zu,\"register\":%.0f,\"resolve\":%.0f,\"reregister\":%.0f,"
          "\"table\":%.0f,\"deregister\":%.0f,\"bytes_per_element\":%.0f}\n", pools, per, type, items, reg, res, again, table, dereg, bytes);
}
