"""Every limit of the program, with the reason for its value.

Each is tested at the limit and one past it. Units are the last word of a name.
"""

from typing import Final

MIB: Final = 1024 * 1024

# --- requests -------------------------------------------------------------------------------------

HEADER_LINE_MAX_BYTES: Final = 4096
"""A `Content-Length` line needs 24."""

HEADER_LINES_MAX: Final = 16
"""LSP defines two headers; proxies add some."""

HEADER_LENGTH_MAX_DIGITS: Final = 10
"""Longer numbers attack the integer parser."""

MESSAGE_MAX_BYTES: Final = 64 * MIB
"""A chat with several base64 images fits."""

MESSAGE_MAX_VALUES: Final = 262_144
"""4 MB of JSON can become 230 MB of objects."""

MESSAGE_MAX_DEPTH: Final = 64
"""Tool schemas nest to about 20."""

REQUEST_ID_MAX_CHARS: Final = 128
"""Editors use integers or UUIDs."""

REQUESTS_IN_FLIGHT_MAX: Final = 256
"""Further requests are refused, because a queue could grow without end."""

STREAMS_MAX: Final = 64
"""An editor with a dozen agents stays far below."""

REQUESTER_MAX_CHARS: Final = 128
"""`_meta.client` of `chat/send`: the id of an extension."""

INITIALIZE_WARNINGS_MAX: Final = 16
"""Nobody misspells more options."""

PROMPTS_MAX: Final = 16
"""Nobody answers more; they are shown one at a time."""

PROMPT_TIMEOUT_MS: Final = 5 * 60_000
"""A prompt that nobody answers is withdrawn."""

STDIN_READ_BYTES: Final = 256 * 1024
"""64 MiB take 256 turns of the loop, not 16,384."""

# --- output to a slow client ----------------------------------------------------------------------

OUTBOX_MAX_BYTES: Final = 32 * MIB
"""Unwritten output of all chats; upstream reads pause before."""

OUTBOX_STREAM_MAX_BYTES: Final = 256 * 1024
"""Unwritten output of one chat when its upstream read pauses."""

OUTBOX_WRITE_BYTES: Final = 64 * 1024
"""The size of a Linux pipe."""

# --- answers of providers -------------------------------------------------------------------------

RESPONSE_HEADERS_MAX_BYTES: Final = 64 * 1024
"""Providers send 2 to 6 KiB."""

RESPONSE_HEADER_FIELDS_MAX: Final = 256
"""The largest number seen is 61."""

RESPONSE_BODY_MAX_BYTES: Final = 12 * MIB
"""Three base64 images of 4 MiB; reading takes twice this."""

ERROR_BODY_MAX_BYTES: Final = 64 * 1024
"""Providers name the error at the beginning."""

STREAM_MAX_BYTES: Final = 256 * MIB
"""A million output tokens at 250 bytes a chunk."""

FEED_BYTES: Final = 16 * 1024
"""Decoded in one turn of the loop: half a millisecond."""

SSE_LINE_MAX_BYTES: Final = 8 * MIB
"""Images and encrypted reasoning come in one line."""

SSE_EVENT_MAX_BYTES: Final = 8 * MIB
"""Equal to the limit of a line."""

EVENTSTREAM_HEADERS_MAX_BYTES: Final = 128 * 1024
"""AWS's own limit; a hundred bytes are usual."""

EVENTSTREAM_PAYLOAD_MAX_BYTES: Final = 8 * MIB
"""As long as an SSE line; AWS's own limit is 24 MiB."""

JSON_MAX_DEPTH: Final = 64
"""Deeper provider JSON is hostile."""

TOOL_CALLS_MAX: Final = 512
"""A model in a loop made dozens."""

BLOCKS_MAX: Final = 4096
"""Far above any answer seen."""

PROVIDER_MESSAGE_MAX_BYTES: Final = 2048
"""The part of a provider's message in an error."""

# --- time -----------------------------------------------------------------------------------------

CONNECT_TIMEOUT_MS: Final = 10_000
"""A slow VPN needs five seconds."""

FIRST_BYTE_TIMEOUT_MS: Final = 60_000
"""Providers queued requests for half a minute."""

UPLOAD_SLOWEST_BYTES_PER_S: Final = 64 * 1024
"""A phone's hotspot; extends the first-byte timeout."""

KEEP_ALIVE_MS: Final = 30_000
"""An agent's next step comes within seconds."""

CONNECTIONS_MAX: Final = 256
"""Every request in flight has its own."""

FIRST_CONTENT_TIMEOUT_MS: Final = 300_000
"""Reasoning models are silent for minutes."""

CONTENT_IDLE_TIMEOUT_MS: Final = 120_000
"""The time between two pieces of content; comments do not count."""

STREAM_TOTAL_TIMEOUT_MS: Final = 3_600_000
"""Nobody waits longer than an hour."""

PROBE_TIMEOUT_MS: Final = 15_000
"""A person waits in front of a dialog."""

PROVIDER_TEST_TIMEOUT_MS: Final = 90_000
"""All steps, each with a timeout of its own."""

PROBE_ADDRESSES_MAX: Final = 8
"""The longest DNS answers have eight."""

ENDING_TIMEOUT_MS: Final = 5_000
"""Time after the finish reason: some servers never close the stream."""

CLOCK_SKEW_MAX_MS: Final = 5 * 60_000
"""AWS accepts signatures within it."""

RETRY_ATTEMPTS_MAX: Final = 3
"""Includes the first attempt."""

RETRY_DELAY_BASE_MS: Final = 500
"""Doubled for each further attempt; half of it is random."""

RETRY_DELAY_MAX_MS: Final = 30_000
"""A longer Retry-After is left to the client."""

RETRY_AFTER_MAX_MS: Final = 31 * 24 * 3_600_000
"""Monthly allowances renew within it."""

KEYRING_TIMEOUT_MS: Final = 5_000
"""A locked keyring can hang for ever."""

CHOICES_FRESH_MS: Final = 10_000
"""A silent keyring delays a page that asks for the choices twice only once."""

KEYRING_INTERACTIVE_TIMEOUT_MS: Final = 30_000
"""The person may be typing a password."""

STORE_BUSY_TIMEOUT_MS: Final = 5_000
"""A write waits this long for another process."""

STORE_FULL_BYTES: Final = 64 * 1024
"""With less free space, a failed write means a full disk."""

RESERVE_FILE_BYTES: Final = 64 * 1024
"""Freed on a full disk, so that a key can be disabled: at most 49,152 measured."""

DISK_LOW_BYTES: Final = 10_000_000
"""Backups and logs of a year fit into it."""

BACKUP_EVERY_MS: Final = 3_600_000
"""Unless an older backup holds a deleted key."""

BACKUPS_MAX: Final = 3
"""Three hours of work."""

BACKUP_POLL_MS: Final = 60_000
"""Finds changes that nothing reports."""

BACKUP_WAIT_MS: Final = 2_000
"""A delete waits this long for clean backups."""

BACKUP_CLOSE_MS: Final = 500
"""A backup of 1,000 keys takes 30 ms."""

STORE_POLL_MS: Final = 500
"""Clients see other processes' changes within a second."""

PARENT_POLL_MS: Final = 1_000
"""The daemon ends within two seconds of its client."""

WARM_UP_DELAY_MS: Final = 50
"""The client's first lists come before the heavy imports."""

SHUTDOWN_TIMEOUT_MS: Final = 1_500
"""Usage and audit log are written within it."""

# --- memory of the chat engine --------------------------------------------------------------------

FALLBACKS_PER_CHAT_MAX: Final = 3
"""A cap, an effort and a temperature may be refused one after another; more is a loop."""

ANSWER_MIN_TOKENS: Final = 256
"""Fewer tokens than these beside a conversation make no answer: the conversation is too long."""

FALLBACKS_MAX: Final = 512
"""Counted in models; a person uses a dozen."""

FALLBACKS_PER_MODEL_MAX: Final = 16
"""Some thirty parameters can be left out."""

FALLBACKS_TTL_MS: Final = 3_600_000
"""Providers add parameters; a new try costs one request."""

STATE_CACHE_CALLS_MAX: Final = 4096
"""A long agent run makes hundreds of tool calls."""

STATE_CACHE_MAX_BYTES: Final = 32 * MIB
"""Encrypted reasoning takes some 10 kB a call."""

STATE_CACHE_TTL_MS: Final = 3_600_000
"""A person may think that long about one step."""

# --- keys and the store ---------------------------------------------------------------------------

KEY_MIN_CHARS: Final = 8
"""Local servers accept short invented keys."""

KEY_MAX_CHARS: Final = 512
"""JWT-shaped keys reach 400."""

KEY_FIELD_MAX_CHARS: Final = 4096
"""AWS session tokens reach about 2 KiB."""

TERMINAL_MARKS_MAX: Final = 8
"""Combining marks in a row: Hebrew with cantillation has five."""

REDACTED_TAIL_MIN_CHARS: Final = 14
"""One more than the longest common prefix of a provider's keys (`sk-ant-api03-`)."""

BASE_URLS_TRIED_MAX: Final = 6
"""Other paths of a base URL that one probe tries: a wrong one should not look like an attack."""

PASTED_URL_MAX_CHARS: Final = 4096
"""A portal's URL names subscription, group, account and tenant."""

SEALED_PLAINTEXT_MAX_BYTES: Final = 32 * 1024
"""The sealed form has 16 bits for the length."""

LABEL_MAX_CHARS: Final = 128
"""A label is read in a list."""

ORIGIN_MAX_CHARS: Final = 320
"""A scheme, a host name of at most 253 characters and a port."""

KEYS_PER_ACCOUNT_MAX: Final = 1_000
"""A list of them stays one page."""

PUBLIC_KEY_MAX_CHARS: Final = 64
"""Base64 of 32 bytes has 44 characters."""

SLOTS_MAX: Final = 8
"""A wrong passphrase is tried on each passphrase slot."""

KDF_PARAMS_MAX_BYTES: Final = 256
"""Stored parameters of a slot; a passphrase slot has the most, under 100 bytes."""

UNSETTLED_KEYS_MAX: Final = 8
"""Root keys that a keyring which timed out may hold."""

PASSPHRASE_MIN_CHARS: Final = 12
"""A guess takes half a second; NIST and OWASP require fewer characters."""

PASSPHRASE_MAX_CHARS: Final = 1024
"""A longer passphrase is no stronger."""

ARGON2_MEMORY_MIN_KIB: Final = 19 * 1024
"""OWASP's minimum for Argon2id."""

ARGON2_MEMORY_MAX_KIB: Final = 1024 * 1024
"""More would exhaust the machine."""

ARGON2_ITERATIONS_MIN: Final = 2
"""OWASP's minimum at that memory."""

ARGON2_ITERATIONS_MAX: Final = 16
"""Sixteen passes over a GiB take a minute."""

ARGON2_LANES_MAX: Final = 16
"""RFC 9106 recommends four."""

USER_PATH_MAX_CHARS: Final = 4096
"""Linux allows no longer path."""

ENV_FILE_MAX_BYTES: Final = 256 * 1024
"""A person writes this file by hand."""

VARIABLES_MAX: Final = 256
"""The provider records name about sixty."""

ENVIRONMENT_TTL_MS: Final = 10 * 60 * 1000
"""An import is a part of setting up."""

IMPORT_ITEMS_MAX: Final = KEYS_PER_ACCOUNT_MAX
"""An export file holds the keys of one account."""

IMPORT_AT_ONCE: Final = 4
"""Each may wait fifteen seconds for its provider."""

EXPORT_FILE_MAX_BYTES: Final = 8 * MIB
"""A thousand keys at twenty times the usual length."""

AUDIT_BODY_MAX_BYTES: Final = 4096
"""Ids, versions and classes of one entry."""

AUDIT_BATCH_ENTRIES: Final = 512
"""Checked in some 10 ms, so that chats get their keys."""

ANCHOR_ENTRIES_MAX: Final = 64
"""After a crash, so many last entries can be removed unnoticed."""

ANCHOR_INTERVAL_MS: Final = 600_000
"""The same bound as a time."""

ANCHOR_EXIT_TIMEOUT_MS: Final = 1_000
"""The process must end within two seconds."""

CLOCK_STEP_BACK_MS: Final = 1_000
"""A leap second is at most this."""

USES_FLUSH_MS: Final = 60_000
"""A crash can lose the uses counted in it."""

USES_FLUSH_COUNT: Final = 256
"""The same bound as a number of uses."""

LAST_USED_STEP_MS: Final = 60_000
"""A write for each chat would cost a disk flush each."""

PAGE_DEFAULT_ITEMS: Final = 100
"""Used if the client sets no limit."""

PAGE_MAX_ITEMS: Final = 1_000
"""Bounds one answer."""

MODELS_MAX: Final = 10_000
"""The longest list seen has some 3,000."""

MODEL_PAGES_MAX: Final = 50
"""Bounds a list that never ends."""

MODEL_PAGE_MAX_BYTES: Final = 8 * MIB
"""The longest seen has under 2 MiB."""

MODEL_LIST_TIMEOUT_MS: Final = 30_000
"""A person waits in front of a picker."""

MODEL_DETAILS_MAX: Final = 64
"""Few people have pulled as many."""

MODEL_DETAILS_AT_ONCE: Final = 4
"""They go to one server, often on this machine."""

MODEL_DETAIL_MAX_BYTES: Final = MIB
"""With license, template and tensors the longest has under 200 kB."""

MODEL_DETAILS_TIMEOUT_MS: Final = 5_000
"""The list is complete and somebody waits for it."""

MODEL_LIST_FRESH_MS: Final = 15 * 60 * 1000
"""A younger list is not fetched again."""

MODEL_LIST_CLOCK_SLACK_MS: Final = 60 * 1000
"""A list from further in the future was fetched while the clock was wrong."""

MODEL_LIST_RETRY_MS: Final = 15_000
"""The first wait after a failed fetch in the background; it doubles up to `MODEL_LIST_FRESH_MS`."""

MODEL_END_NOTICE_MS: Final = 30 * 24 * 3_600_000
"""Time enough to choose another model."""

MODEL_LISTS_MAX: Final = 256
"""One for each key in use; the oldest is removed."""

MODEL_LISTS_MAX_BYTES: Final = 32 * MIB
"""350 models with prices take 130 kB."""

CONFIG_MAX_BYTES: Final = 256 * 1024
"""A person writes this file by hand."""

OWN_MODELS_MAX: Final = 1_000
"""No list written by hand is longer."""

OWN_PROVIDERS_MAX: Final = 64
"""All are read at every start."""

OWN_RECORD_MAX_BYTES: Final = 64 * 1024
"""The longest shipped record has some 15,000 bytes."""

# --- catalog refresh ------------------------------------------------------------------------------

CATALOG_MAX_BYTES: Final = 2 * MIB
"""The shipped data has 450 kB."""

CATALOG_HEADER_MAX_BYTES: Final = 512
"""Schema, date, key id and signature take 180."""

CATALOG_STATE_MAX_BYTES: Final = 256 * 1024
"""Fifty events take 30 kB."""

CATALOG_HISTORY_MAX: Final = 50
"""A year of weekly refreshes."""

CATALOG_CHANGES_MAX: Final = 2_000
"""A comparison shows this many and counts the others; a month changes some thirty models."""

CATALOG_CHANGE_MAX_CHARS: Final = 160
"""A value before or after a change, cut; two lines of a terminal."""

CATALOG_DATE_AHEAD_MAX_DAYS: Final = 1
"""A maker's clock in another time zone. A later date would keep every real refresh out."""

CATALOG_SHRINK_PART: Final = 5
"""A list that loses one of so many entries was cut off by mistake."""

CATALOG_PRICE_FACTOR: Final = 10
"""Vendors halve prices; a factor of ten is a wrong unit."""

CATALOG_PATTERN_MAX_CHARS: Final = 4_000
"""The longest shipped pattern has some 2,000."""

CATALOG_PATTERN_REPEATS_MAX: Final = 8
"""Open-ended repeats in one pattern; shipped ones have up to six."""

CATALOG_PATTERN_BROAD_REPEATS_MAX: Final = 2
"""Those that match most characters, as `.*`: each multiplies the time by the text's length."""

CATALOG_PATTERN_SPLITS_MAX: Final = 2_000_000
"""How many splits of one text the bounded repeats of a pattern may try; about 0.1 s of matching."""

CATALOG_TIMEOUT_MS: Final = 60_000
"""2 MiB through a slow proxy."""

# --- the page of byokd ui -------------------------------------------------------------------------

UI_BODY_MAX_BYTES: Final = MIB
"""One message of the page; a form with keys takes a few kB."""

UI_REQUESTS_MAX: Final = 32
"""Requests of the page at a time; the page sends about six."""

UI_MESSAGES_MAX: Final = 4_096
"""Messages that wait for the page; one that stopped to read ends its session."""

UI_OPEN_TIMEOUT_MS: Final = 300_000
"""The address is not opened for so long: somebody else may open it later."""

UI_IDLE_TIMEOUT_MS: Final = 1_800_000
"""No request of the page for so long: the person has left it open."""

UI_CLOSED_TIMEOUT_MS: Final = 10_000
"""A page that is loaded again connects at once; one that is closed does not."""
