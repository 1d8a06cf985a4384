"""Every bound in the program, each with a sentence why.

Knows numbers. Must not know who enforces them: each is tested at the limit and one past it, beside
the code that does. Units come last in the names.
"""

from typing import Final

MIB: Final = 1024 * 1024

# --- what a client may send -----------------------------------------------------------------------

HEADER_LINE_MAX_BYTES: Final = 4096
"""`Content-Length: 67108864` needs 24; four KiB is room for what an editor was seen to add."""

HEADER_LINES_MAX: Final = 16
"""LSP defines two headers; sixteen allows proxies that add their own."""

HEADER_LENGTH_MAX_DIGITS: Final = 10
"""Ten digits hold any length we could skip; more digits are an attack on integer parsing."""

MESSAGE_MAX_BYTES: Final = 64 * MIB
"""A chat with several base64 images and PDFs fits; a runaway client does not."""

MESSAGE_MAX_VALUES: Final = 262_144
"""JSON of 4 MB can unfold to 230 MB of objects; counting values bounds what one can cost."""

MESSAGE_MAX_DEPTH: Final = 64
"""Tool schemas nest to about 20; recursion past 64 is never a person's data."""

REQUEST_ID_MAX_CHARS: Final = 128
"""Editors use integers or UUIDs; a longer id is only ever echoed back."""

REQUESTS_IN_FLIGHT_MAX: Final = 256
"""Above this the client is told to slow down instead of being queued without end."""

STREAMS_MAX: Final = 64
"""Chats answered at once; an editor with a dozen agents stays far below."""

PROMPTS_MAX: Final = 16
"""Questions to the person that are open at once; nobody reads the seventeenth."""

STDIN_READ_BYTES: Final = 256 * 1024
"""One read from stdin; a 64 MiB message takes 256 turns of the loop, not 16,384."""

# --- what a slow client may cost ------------------------------------------------------------------

OUTBOX_MAX_BYTES: Final = 32 * MIB
"""Unwritten output held for a client that does not read; upstream reads pause before that."""

OUTBOX_STREAM_MAX_BYTES: Final = 256 * 1024
"""Unwritten output of one chat at which its upstream read pauses; 64 streams stay within 16 MiB."""

OUTBOX_WRITE_BYTES: Final = 64 * 1024
"""One write to stdout: the size of a Linux pipe, so that a write rarely ends half way."""

# --- what a provider may send ---------------------------------------------------------------------

RESPONSE_HEADERS_MAX_BYTES: Final = 64 * 1024
"""Providers send 2 to 6 KiB of headers; this is the HTTP stack's own bound, set by name."""

RESPONSE_HEADER_FIELDS_MAX: Final = 256
"""Fields of one response head; the busiest gateway seen sends 61."""

RESPONSE_BODY_MAX_BYTES: Final = 12 * MIB
"""A whole (not streamed) answer: three base64 images of 4 MiB. Reading one takes twice this."""

ERROR_BODY_MAX_BYTES: Final = 64 * 1024
"""The part of an error body that is read; the rest says nothing more."""

STREAM_MAX_BYTES: Final = 256 * MIB
"""One streamed answer; a million output tokens at 250 bytes a chunk."""

FEED_BYTES: Final = 16 * 1024
"""How much of one answer is decoded in one turn of the loop: 65 chunks, half a millisecond."""

SSE_LINE_MAX_BYTES: Final = 8 * MIB
"""One line of an event stream: images and encrypted reasoning come as a single line."""

SSE_EVENT_MAX_BYTES: Final = 8 * MIB
"""One event of several lines, or one document of another stream: as long as a line may be."""

EVENTSTREAM_HEADERS_MAX_BYTES: Final = 128 * 1024
"""All headers of one frame of an AWS event stream; AWS's own bound, a hundred bytes are usual."""

EVENTSTREAM_PAYLOAD_MAX_BYTES: Final = 8 * MIB
"""The payload of one such frame, as long as a line may be; AWS's own bound is 24 MiB."""

JSON_MAX_DEPTH: Final = 64
"""Nesting of provider JSON; deeper is hostile."""

TOOL_CALLS_MAX: Final = 512
"""Tool calls in one answer; a model in a loop was seen to make dozens."""

BLOCKS_MAX: Final = 4096
"""Content blocks in one answer."""

PROVIDER_MESSAGE_MAX_BYTES: Final = 2048
"""How much of a provider's own words travels in an error."""

# --- time -----------------------------------------------------------------------------------------

CONNECT_TIMEOUT_MS: Final = 10_000
"""TCP and TLS; a slow VPN needs five seconds."""

FIRST_BYTE_TIMEOUT_MS: Final = 60_000
"""Headers of the answer; queued requests at providers have taken half a minute."""

UPLOAD_SLOWEST_BYTES_PER_S: Final = 64 * 1024
"""The slowest upload waited for, a phone's hotspot; it extends the wait for the first byte."""

KEEP_ALIVE_MS: Final = 30_000
"""How long an idle connection is kept: an agent's next step comes within seconds."""

CONNECTIONS_MAX: Final = 256
"""Sockets open at once: every request in flight has one of its own."""

FIRST_CONTENT_TIMEOUT_MS: Final = 300_000
"""From headers to the first content: reasoning models think in silence for minutes."""

CONTENT_IDLE_TIMEOUT_MS: Final = 120_000
"""Between two pieces of content; keep-alive comments do not count as content."""

STREAM_TOTAL_TIMEOUT_MS: Final = 3_600_000
"""One whole answer; after an hour nobody is waiting."""

PROBE_TIMEOUT_MS: Final = 15_000
"""A whole probe, connection included; a person is looking at a dialog."""

PROVIDER_TEST_TIMEOUT_MS: Final = 90_000
"""A whole `provider/test`, chat included: each step has its own bound, this is for all."""

PROBE_ADDRESSES_MAX: Final = 8
"""Addresses of one name that are tried when the way is tested; the longest answers hold eight."""

ENDING_TIMEOUT_MS: Final = 5_000
"""After the finish word or an error; usage follows at once, and some servers then never hang up."""

CLOCK_SKEW_MAX_MS: Final = 5 * 60_000
"""How far our clock may be off before a refused signature says nothing of a key; AWS takes that."""

RETRY_ATTEMPTS_MAX: Final = 3
"""Tries of one request, the first included."""

RETRY_DELAY_BASE_MS: Final = 500
"""The wait before the second try, doubled before each further one; half of it is random."""

RETRY_DELAY_MAX_MS: Final = 30_000
"""The longest wait before a retry; a longer Retry-After is the client's decision, so we answer."""

RETRY_AFTER_MAX_MS: Final = 31 * 24 * 3_600_000
"""The longest wait that is reported; monthly allowances renew within it, the rest is nonsense."""

KEYRING_TIMEOUT_MS: Final = 5_000
"""How long the OS keyring may take; a locked one can hang for ever."""

KEYRING_INTERACTIVE_TIMEOUT_MS: Final = 30_000
"""The same when the person just asked for it and may be typing a password."""

STORE_BUSY_TIMEOUT_MS: Final = 5_000
"""How long a write waits for another process's transaction."""

STORE_FULL_BYTES: Final = 64 * 1024
"""Free room below which a failed write is put down to a full disk: one change touches ten pages."""

BALLAST_BYTES: Final = 64 * 1024
"""Kept beside the store and given up on a full disk, so that a key can still be taken out of use:
journal and pages of the largest such change measured take 49,152."""

DISK_LOW_BYTES: Final = 10_000_000
"""Free room below which the person is warned: backups and logs of a year fit into it."""

BACKUP_EVERY_MS: Final = 3_600_000
"""At most one backup in this time, unless an older one holds what was deleted."""

BACKUPS_MAX: Final = 3
"""Backups kept: three hours of work, or three changes of a vault that is rarely changed."""

BACKUP_LOOK_MS: Final = 60_000
"""How often the vault is compared with its backups where nothing tells of a change."""

BACKUP_WAIT_MS: Final = 2_000
"""How long the answer to a delete waits until no backup holds the key; then it goes on behind."""

BACKUP_CLOSE_MS: Final = 500
"""How long the end of the process waits for a backup; one of 1,000 keys takes 30 ms."""

STORE_POLL_MS: Final = 500
"""How often other processes' changes are looked for; a window is told within a second."""

PARENT_POLL_MS: Final = 1_000
"""How often the client's process id is checked; the daemon must be gone within two seconds."""

WARM_UP_DELAY_MS: Final = 50
"""From `initialized` to the import of what is heavy, so that the client's first lists go first."""

SHUTDOWN_TIMEOUT_MS: Final = 1_500
"""From end of input to exit, with usage and audit written."""

# --- what the engine remembers --------------------------------------------------------------------

FALLBACKS_MAX: Final = 512
"""Models whose refusals are remembered; a person uses a dozen."""

FALLBACKS_PER_MODEL_MAX: Final = 16
"""Refusals remembered of one model; there are some thirty parameters that can be left out."""

FALLBACKS_TTL_MS: Final = 3_600_000
"""How long a refusal is believed: providers add parameters, and asking again costs one round."""

STATE_CACHE_CALLS_MAX: Final = 4096
"""Tool calls whose states are kept for clients that drop them: a long agent run makes hundreds."""

STATE_CACHE_MAX_BYTES: Final = 32 * MIB
"""The states of all these calls together; encrypted reasoning is some 10 kB a call."""

STATE_CACHE_TTL_MS: Final = 3_600_000
"""How long they are kept after their last use: a person may think that long about one step."""

# --- keys and the store ---------------------------------------------------------------------------

KEY_MIN_CHARS: Final = 8
"""The shortest key of any provider is 16; local servers take shorter made-up ones."""

KEY_MAX_CHARS: Final = 512
"""JWT-shaped keys reach 400; AWS session tokens have a bound of their own."""

KEY_FIELD_MAX_CHARS: Final = 4096
"""One field of a multi-field key; AWS session tokens reach about 2 KiB."""

TERMINAL_MARKS_MAX: Final = 8
"""How many combining marks in a row a terminal is given: Hebrew with cantillation stacks five, and
hundreds of them paint over the lines around."""

MASKED_TAIL_MIN_CHARS: Final = 14
"""How much of a key's beginning is hidden at the end of a text that was cut: one more than the
longest beginning that all keys of a provider share (`sk-ant-api03-`)."""

PASTED_URL_MAX_CHARS: Final = 4096
"""A portal's page names subscription, group, account and tenant, some of it twice."""

SEALED_PLAINTEXT_MAX_BYTES: Final = 32 * 1024
"""All fields of one key entry together; its length must fit the 16 bits of the sealed form."""

LABEL_MAX_CHARS: Final = 128
"""A label is read in a list."""

KEYS_PER_ACCOUNT_MAX: Final = 1_000
"""Keys of one account; a list stays one page of work."""

PUBLIC_KEY_MAX_CHARS: Final = 64
"""Base64 of a client's 32-byte public key has 44 characters."""

SLOTS_MAX: Final = 8
"""Ways to open one vault; a wrong passphrase is tried on each that takes one."""

UNSETTLED_KEYS_MAX: Final = 8
"""Master keys that a silent keyring may have kept; no more are tried before one is settled."""

PASSPHRASE_MIN_CHARS: Final = 12
"""Twelve characters of a person's choice, at half a second a guess; NIST and OWASP ask for less."""

PASSPHRASE_MAX_CHARS: Final = 1024
"""The longest passphrase; a page of text is no better than its first line."""

ARGON2_MEMORY_MIN_KIB: Final = 19 * 1024
"""OWASP's least memory for Argon2id; a slot that says less was made to be guessed."""

ARGON2_MEMORY_MAX_KIB: Final = 1024 * 1024
"""One GiB: a slot that says more was made to take the machine down."""

ARGON2_ITERATIONS_MIN: Final = 2
"""OWASP's least passes at that memory."""

ARGON2_ITERATIONS_MAX: Final = 16
"""Sixteen passes over a GiB take a minute; more is a trap."""

ARGON2_LANES_MAX: Final = 16
"""Lanes of Argon2id; RFC 9106 recommends four."""

NAMED_PATH_MAX_CHARS: Final = 4096
"""The path of a file that a person names; Linux takes no longer one."""

ENV_FILE_MAX_BYTES: Final = 256 * 1024
"""A `.env` file; a person wrote it."""

VARIABLES_MAX: Final = 256
"""Variables that a client sends for an import; all providers together know some sixty."""

ENVIRONMENT_KEPT_MS: Final = 10 * 60 * 1000
"""How long the variables of the start are kept for an import: it belongs to setting things up."""

IMPORT_ITEMS_MAX: Final = KEYS_PER_ACCOUNT_MAX
"""Items stored by one import: a bundle holds at most the keys of one account."""

IMPORT_AT_ONCE: Final = 4
"""Chosen items under way: each may wait fifteen seconds for its provider."""

BUNDLE_MAX_BYTES: Final = 8 * MIB
"""A file of exported keys: a thousand with all their fields at twenty times the usual length."""

AUDIT_BODY_MAX_BYTES: Final = 4096
"""The details of one audit entry; they are ids, versions and classes, never texts of others."""

AUDIT_BATCH_ENTRIES: Final = 512
"""Entries checked in one turn of the store's thread: some 10 ms, so that a chat can get its key."""

ANCHOR_ENTRIES_MAX: Final = 64
"""Entries of no weight between two anchors: what somebody could cut off unseen after a crash."""

ANCHOR_INTERVAL_MS: Final = 600_000
"""The same in time: an evening's uses are anchored even where few of them come."""

ANCHOR_EXIT_TIMEOUT_MS: Final = 1_000
"""How long the end of the process waits for the last anchor; a keyring may answer never, and the
process has two seconds to end in."""

CLOCK_STEP_BACK_MS: Final = 1_000
"""How far the clock must go back to be told: a leap second is no news, a changed date is."""

USES_FLUSH_MS: Final = 60_000
"""How long uses of keys are only counted in memory: what a crash can lose of them."""

USES_FLUSH_COUNT: Final = 256
"""The same in uses: a busy agent writes one entry for so many calls."""

LAST_USED_STEP_MS: Final = 60_000
"""How stale `lastUsedAt` may be: a durable write for each chat would cost a disk flush each."""

PAGE_DEFAULT_ITEMS: Final = 100
"""Items of a list when the client does not say."""

PAGE_MAX_ITEMS: Final = 1_000
"""Items of a list at the most."""

MODELS_MAX: Final = 10_000
"""Models one provider may list; the longest list seen has some 3,000."""

MODEL_PAGES_MAX: Final = 50
"""Pages of a model list that are followed."""

MODEL_PAGE_MAX_BYTES: Final = 8 * MIB
"""One page of a model list; the longest seen is under 2 MiB."""

MODEL_LIST_TIMEOUT_MS: Final = 30_000
"""All pages of one provider's list; a person is looking at a picker."""

MODEL_DETAILS_MAX: Final = 64
"""Models of one list that are asked about one by one; few people have pulled as many."""

MODEL_DETAILS_AT_ONCE: Final = 4
"""Such questions under way; they go to one server, often on this machine."""

MODEL_DETAIL_MAX_BYTES: Final = MIB
"""One such answer; with license, template and all tensors the longest is under 200 kB."""

MODEL_DETAILS_TIMEOUT_MS: Final = 5_000
"""All that is asked beside a list: the list is there, and somebody waits for it."""

MODEL_LIST_FRESH_MS: Final = 15 * 60 * 1000
"""Age up to which a fetched model list is served without asking again behind it."""

MODEL_LISTS_MAX: Final = 256
"""Lists kept on disk: one for each key in use, and few people have a dozen; the oldest goes."""

MODEL_LISTS_MAX_BYTES: Final = 32 * MIB
"""All lists kept on disk together; 350 models with prices take 130 kB."""

CONFIG_MAX_BYTES: Final = 256 * 1024
"""The configuration file; a person wrote it."""

OWN_MODELS_MAX: Final = 1_000
"""Models that a person names for one provider; larger than any list somebody writes by hand."""

OWN_PROVIDERS_MAX: Final = 64
"""Providers that a person added; all are read at every start."""

OWN_RECORD_MAX_BYTES: Final = 64 * 1024
"""The record of one such provider; the longest of ours has some 15,000 bytes."""
