"""Every limit of the program, with the reason for its value.

Each is tested at the limit and one past it. Units are the last word of a name.
"""

from typing import Final

MIB: Final = 1024 * 1024

# --- requests -------------------------------------------------------------------------------------

HEADER_LINE_MAX_BYTES: Final = 4096
"""A `Content-Length` line needs 24; editors add short headers of their own."""

HEADER_LINES_MAX: Final = 16
"""LSP defines two headers; proxies may add some."""

HEADER_LENGTH_MAX_DIGITS: Final = 10
"""Ten digits hold every length that can be skipped; longer numbers attack the integer parser."""

MESSAGE_MAX_BYTES: Final = 64 * MIB
"""A chat with several base64 images and PDFs fits."""

MESSAGE_MAX_VALUES: Final = 262_144
"""4 MB of JSON can become 230 MB of objects; the number of values bounds that."""

MESSAGE_MAX_DEPTH: Final = 64
"""Tool schemas nest to about 20."""

REQUEST_ID_MAX_CHARS: Final = 128
"""Editors use integers or UUIDs; the id is only sent back."""

REQUESTS_IN_FLIGHT_MAX: Final = 256
"""More requests are refused instead of queued without end."""

STREAMS_MAX: Final = 64
"""Chats at once; an editor with a dozen agents stays far below."""

PROMPTS_MAX: Final = 16
"""Open prompts; nobody reads more."""

STDIN_READ_BYTES: Final = 256 * 1024
"""One read from stdin: a 64 MiB message takes 256 turns of the loop, not 16,384."""

# --- output to a slow client ----------------------------------------------------------------------

OUTBOX_MAX_BYTES: Final = 32 * MIB
"""Unwritten output for a client that does not read; upstream reads pause before that."""

OUTBOX_STREAM_MAX_BYTES: Final = 256 * 1024
"""Unwritten output of one chat at which its upstream read pauses; 64 streams hold 16 MiB."""

OUTBOX_WRITE_BYTES: Final = 64 * 1024
"""One write to stdout: the size of a Linux pipe, so that most writes are complete."""

# --- answers of providers -------------------------------------------------------------------------

RESPONSE_HEADERS_MAX_BYTES: Final = 64 * 1024
"""Providers send 2 to 6 KiB of headers; this is the HTTP stack's own limit."""

RESPONSE_HEADER_FIELDS_MAX: Final = 256
"""Header fields of one response; the largest number seen is 61."""

RESPONSE_BODY_MAX_BYTES: Final = 12 * MIB
"""An answer that is not streamed: three base64 images of 4 MiB. Reading takes twice this."""

ERROR_BODY_MAX_BYTES: Final = 64 * 1024
"""The part of an error body that is read; errors are stated at the beginning."""

STREAM_MAX_BYTES: Final = 256 * MIB
"""One streamed answer: a million output tokens at 250 bytes a chunk."""

FEED_BYTES: Final = 16 * 1024
"""Decoded in one turn of the loop: 65 chunks, half a millisecond."""

SSE_LINE_MAX_BYTES: Final = 8 * MIB
"""One line of an event stream; images and encrypted reasoning come as a single line."""

SSE_EVENT_MAX_BYTES: Final = 8 * MIB
"""One event of several lines, or one document of another stream: as long as a line."""

EVENTSTREAM_HEADERS_MAX_BYTES: Final = 128 * 1024
"""All headers of a frame of an AWS event stream: AWS's own limit; a hundred bytes are usual."""

EVENTSTREAM_PAYLOAD_MAX_BYTES: Final = 8 * MIB
"""The payload of such a frame: as long as an SSE line; AWS's own limit is 24 MiB."""

JSON_MAX_DEPTH: Final = 64
"""Nesting of provider JSON; deeper documents are hostile."""

TOOL_CALLS_MAX: Final = 512
"""Tool calls in one answer; a model in a loop was seen to make dozens."""

BLOCKS_MAX: Final = 4096
"""Content blocks in one answer; far above any answer seen."""

PROVIDER_MESSAGE_MAX_BYTES: Final = 2048
"""The part of a provider's message that is passed on in an error."""

# --- time -----------------------------------------------------------------------------------------

CONNECT_TIMEOUT_MS: Final = 10_000
"""TCP and TLS; a slow VPN needs five seconds."""

FIRST_BYTE_TIMEOUT_MS: Final = 60_000
"""Until the headers of the answer; requests were queued at providers for half a minute."""

UPLOAD_SLOWEST_BYTES_PER_S: Final = 64 * 1024
"""The slowest upload that is waited for, a phone's hotspot; extends the first-byte timeout."""

KEEP_ALIVE_MS: Final = 30_000
"""An idle connection is kept this long; an agent's next step comes within seconds."""

CONNECTIONS_MAX: Final = 256
"""Open sockets: every request in flight has its own."""

FIRST_CONTENT_TIMEOUT_MS: Final = 300_000
"""From headers to the first content; reasoning models are silent for minutes."""

CONTENT_IDLE_TIMEOUT_MS: Final = 120_000
"""Between two pieces of content; keep-alive comments are not content."""

STREAM_TOTAL_TIMEOUT_MS: Final = 3_600_000
"""One whole answer; nobody waits longer than an hour."""

PROBE_TIMEOUT_MS: Final = 15_000
"""One probe with its connection; a person waits in front of a dialog."""

PROVIDER_TEST_TIMEOUT_MS: Final = 90_000
"""One `provider/test` with all its steps, each of which has a timeout of its own."""

PROBE_ADDRESSES_MAX: Final = 8
"""Addresses of one name that a connection probe tries; the longest DNS answers have eight."""

ENDING_TIMEOUT_MS: Final = 5_000
"""After the finish reason or an error: usage follows at once, and some servers never close."""

CLOCK_SKEW_MAX_MS: Final = 5 * 60_000
"""A larger difference of our clock explains a refused signature; AWS allows this much."""

RETRY_ATTEMPTS_MAX: Final = 3
"""Attempts of one request, the first included."""

RETRY_DELAY_BASE_MS: Final = 500
"""Before the second attempt, doubled for each further one; half of it is random."""

RETRY_DELAY_MAX_MS: Final = 30_000
"""The longest delay before a retry; a longer Retry-After is left to the client."""

RETRY_AFTER_MAX_MS: Final = 31 * 24 * 3_600_000
"""The longest reported wait: monthly allowances renew within it, more is nonsense."""

KEYRING_TIMEOUT_MS: Final = 5_000
"""One use of the OS keyring; a locked one can hang for ever."""

KEYRING_INTERACTIVE_TIMEOUT_MS: Final = 30_000
"""The same while the person may be typing a password."""

STORE_BUSY_TIMEOUT_MS: Final = 5_000
"""A write waits this long for another process's transaction."""

STORE_FULL_BYTES: Final = 64 * 1024
"""With less free space a failed write means a full disk: one change touches ten pages."""

RESERVE_FILE_BYTES: Final = 64 * 1024
"""Reserved beside the store and freed on a full disk, so that a key can still be disabled; the
largest such change measured takes 49,152 bytes of journal and pages."""

DISK_LOW_BYTES: Final = 10_000_000
"""With less free space the person is warned; backups and logs of a year fit into it."""

BACKUP_EVERY_MS: Final = 3_600_000
"""At most one backup in this time, unless an older one holds a deleted key."""

BACKUPS_MAX: Final = 3
"""Backups kept: three hours of work, or three changes of a vault that is rarely changed."""

BACKUP_POLL_MS: Final = 60_000
"""The vault is compared with its backups this often when no change is reported."""

BACKUP_WAIT_MS: Final = 2_000
"""A delete waits this long until no backup holds the key; after that it goes on behind."""

BACKUP_CLOSE_MS: Final = 500
"""The end of the process waits this long for a backup; one of 1,000 keys takes 30 ms."""

STORE_POLL_MS: Final = 500
"""Changes of other processes are polled this often, so that clients see them in a second."""

PARENT_POLL_MS: Final = 1_000
"""The client's process id is polled this often; the daemon must end within two seconds."""

WARM_UP_DELAY_MS: Final = 50
"""From `initialized` to the heavy imports, so that the client's first lists come first."""

SHUTDOWN_TIMEOUT_MS: Final = 1_500
"""From the end of input to exit, with usage and audit log written."""

# --- memory of the chat engine --------------------------------------------------------------------

FALLBACKS_MAX: Final = 512
"""Models whose refused parameters are remembered; a person uses a dozen."""

FALLBACKS_PER_MODEL_MAX: Final = 16
"""Refusals remembered of one model; some thirty parameters can be left out."""

FALLBACKS_TTL_MS: Final = 3_600_000
"""A refusal is remembered this long: providers add parameters, and a new try costs one request."""

STATE_CACHE_CALLS_MAX: Final = 4096
"""Tool calls whose states are cached for clients that drop them; agents make hundreds."""

STATE_CACHE_MAX_BYTES: Final = 32 * MIB
"""All cached states together; encrypted reasoning takes some 10 kB a call."""

STATE_CACHE_TTL_MS: Final = 3_600_000
"""After their last use; a person may think that long about one step."""

# --- keys and the store ---------------------------------------------------------------------------

KEY_MIN_CHARS: Final = 8
"""The shortest key of any provider is 16; local servers take shorter invented ones."""

KEY_MAX_CHARS: Final = 512
"""JWT-shaped keys reach 400; AWS session tokens have their own limit."""

KEY_FIELD_MAX_CHARS: Final = 4096
"""One field of a multi-field key; AWS session tokens reach about 2 KiB."""

TERMINAL_MARKS_MAX: Final = 8
"""Combining marks in a row on a terminal: Hebrew with cantillation has five; hundreds would cover
the lines around."""

REDACTED_TAIL_MIN_CHARS: Final = 14
"""The beginning of a key that is hidden at the end of a cut text: one more than the longest prefix
that all keys of a provider share (`sk-ant-api03-`)."""

PASTED_URL_MAX_CHARS: Final = 4096
"""A portal's URL names subscription, group, account and tenant, some of them twice."""

SEALED_PLAINTEXT_MAX_BYTES: Final = 32 * 1024
"""All fields of one key together; the sealed form has 16 bits for the length."""

LABEL_MAX_CHARS: Final = 128
"""A label is read in a list."""

KEYS_PER_ACCOUNT_MAX: Final = 1_000
"""Keys of one account; a list of them stays one page."""

PUBLIC_KEY_MAX_CHARS: Final = 64
"""Base64 of a 32-byte public key has 44 characters."""

SLOTS_MAX: Final = 8
"""Unlock slots of one vault; a wrong passphrase is tried on each passphrase slot."""

UNSETTLED_KEYS_MAX: Final = 8
"""Root keys that a keyring which timed out may hold; no more are made until one is settled."""

PASSPHRASE_MIN_CHARS: Final = 12
"""At half a second a guess; NIST and OWASP ask for less."""

PASSPHRASE_MAX_CHARS: Final = 1024
"""A page of text is no better than its first line."""

ARGON2_MEMORY_MIN_KIB: Final = 19 * 1024
"""OWASP's minimum for Argon2id; a slot with less was made to be guessed."""

ARGON2_MEMORY_MAX_KIB: Final = 1024 * 1024
"""A slot with more than one GiB was made to exhaust the machine."""

ARGON2_ITERATIONS_MIN: Final = 2
"""OWASP's minimum at that memory."""

ARGON2_ITERATIONS_MAX: Final = 16
"""Sixteen passes over a GiB take a minute."""

ARGON2_LANES_MAX: Final = 16
"""RFC 9106 recommends four."""

USER_PATH_MAX_CHARS: Final = 4096
"""The path of a file that a person names: Linux allows no longer one."""

ENV_FILE_MAX_BYTES: Final = 256 * 1024
"""A `.env` file is written by a person."""

VARIABLES_MAX: Final = 256
"""Variables of one import; all providers together know some sixty."""

ENVIRONMENT_TTL_MS: Final = 10 * 60 * 1000
"""The variables of the start are kept this long for an import, a part of setting up."""

IMPORT_ITEMS_MAX: Final = KEYS_PER_ACCOUNT_MAX
"""Keys of one import: an export file holds at most the keys of one account."""

IMPORT_AT_ONCE: Final = 4
"""Keys stored at once; each may wait fifteen seconds for its provider."""

EXPORT_FILE_MAX_BYTES: Final = 8 * MIB
"""An export file: a thousand keys with all fields at twenty times the usual length."""

AUDIT_BODY_MAX_BYTES: Final = 4096
"""The details of one audit entry: ids, versions and classes."""

AUDIT_BATCH_ENTRIES: Final = 512
"""Entries checked in one turn of the store's thread: some 10 ms, so that chats get their keys."""

ANCHOR_ENTRIES_MAX: Final = 64
"""Ordinary entries between two anchors: what can be cut off unnoticed after a crash."""

ANCHOR_INTERVAL_MS: Final = 600_000
"""The same in time, so that few uses in a long evening are anchored, too."""

ANCHOR_EXIT_TIMEOUT_MS: Final = 1_000
"""The end of the process waits this long for the last anchor: a keyring may never answer, and the
process must end within two seconds."""

CLOCK_STEP_BACK_MS: Final = 1_000
"""A larger step back of the clock is recorded: it is no leap second."""

USES_FLUSH_MS: Final = 60_000
"""Uses of keys are counted in memory this long: a crash can lose them."""

USES_FLUSH_COUNT: Final = 256
"""The same in uses: one entry for so many calls of a busy agent."""

LAST_USED_STEP_MS: Final = 60_000
"""The precision of `lastUsedAt`: a write for each chat would cost a disk flush each."""

PAGE_DEFAULT_ITEMS: Final = 100
"""Items of a page if the client names no number."""

PAGE_MAX_ITEMS: Final = 1_000
"""Items of a page at most."""

MODELS_MAX: Final = 10_000
"""Models of one provider; the longest list seen has some 3,000."""

MODEL_PAGES_MAX: Final = 50
"""Pages of a model list that are fetched."""

MODEL_PAGE_MAX_BYTES: Final = 8 * MIB
"""One page of a model list; the longest seen has under 2 MiB."""

MODEL_LIST_TIMEOUT_MS: Final = 30_000
"""All pages of one list; a person waits in front of a picker."""

MODEL_DETAILS_MAX: Final = 64
"""Models of one list that are requested one by one; few people have pulled as many."""

MODEL_DETAILS_AT_ONCE: Final = 4
"""Such requests at once; they go to one server, often on this machine."""

MODEL_DETAIL_MAX_BYTES: Final = MIB
"""One such answer; with license, template and all tensors the longest has under 200 kB."""

MODEL_DETAILS_TIMEOUT_MS: Final = 5_000
"""All such requests of one list; the list is complete and somebody waits for it."""

MODEL_LIST_FRESH_MS: Final = 15 * 60 * 1000
"""A list up to this age is returned without fetching it again in the background."""

MODEL_LISTS_MAX: Final = 256
"""Lists on disk, one for each key in use; the oldest is removed."""

MODEL_LISTS_MAX_BYTES: Final = 32 * MIB
"""All lists on disk; 350 models with prices take 130 kB."""

CONFIG_MAX_BYTES: Final = 256 * 1024
"""The configuration file is written by a person."""

OWN_MODELS_MAX: Final = 1_000
"""Models that a person names for one provider; no list written by hand is longer."""

OWN_PROVIDERS_MAX: Final = 64
"""Providers that a person added; all are read at every start."""

OWN_RECORD_MAX_BYTES: Final = 64 * 1024
"""The record of such a provider; the longest shipped one has some 15,000 bytes."""
