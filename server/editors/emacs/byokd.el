;;; byokd.el --- Chat with models through your own API keys  -*- lexical-binding: t; -*-

;; Copyright (C) 2026 the byokd authors
;; Author: the byokd authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, convenience
;; URL: https://byokd.example/
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; byokd is a local daemon that keeps your own LLM API keys encrypted and makes the requests of all
;; your editors with them.  This package starts it when it is needed.
;;
;;   M-x byokd-add-key   store a key; it is not shown and not kept in Emacs
;;   M-x byokd-model     choose a model; a prefix argument saves the choice
;;   M-x byokd-chat      chat: C-c C-c sends, C-c C-k stops, TAB unfolds thoughts
;;   M-x byokd-rewrite   replace the region with an answer; M-x byokd-insert inserts one at point
;;   M-x byokd-keys      update, enable, disable or delete a key
;;   M-x byokd-health    what works, and what to do about the rest
;;
;; The daemon is the first of `byokd-command', byokd in the variable `exec-path', and
;; ~/.local/bin/byokd.  A key is sent to it as it is, over the pipe between the two processes: Emacs
;; has no HPKE to seal it with, so the log of jsonrpc.el is switched off and no buffer has it.

;;; Code:

(require 'jsonrpc)
(require 'seq)
(require 'subr-x)

(defgroup byokd nil "Chat with models through your own API keys." :group 'tools :prefix "byokd-")

(defcustom byokd-command nil
  "The program that is the daemon and its arguments; nil to look for byokd."
  :type '(choice (const :tag "Look for it" nil) (repeat string)))

(defcustom byokd-model nil
  "The model of new messages as PROVIDER/MODEL; see the command `byokd-model'."
  :type '(choice (const :tag "Ask" nil) string))

(defcustom byokd-system nil "A system prompt for chats." :type '(choice (const nil) string))

(defcustom byokd-effort nil
  "How much a model thinks: none, minimal, low, medium, high, xhigh or max."
  :type '(choice (const :tag "As the provider does" nil) string))

(defcustom byokd-tools nil
  "What a model may call.
Plists with :name, :description, :inputSchema and :function.  The
function gets the arguments as a plist and returns a string.  You
are asked before each call, unless :confirm is `never'."
  :type '(repeat plist))

(defface byokd-heading '((t :inherit bold)) "Who speaks in a chat.")
(defface byokd-aside '((t :inherit shadow)) "Thoughts, and results of tools.")
(defface byokd-error '((t :inherit error)) "What went wrong.")

;;;; The daemon

(defconst byokd--wait 120 "Seconds that a call may take which the user waits for.")
(defconst byokd--rounds 20 "Answers with tool calls in a row; each costs money.")
(defconst byokd--inherited
  (concat "\\`\\(?:PATH\\|HOME\\|USER\\|LOGNAME\\|LANG\\|LC_[A-Z]+\\|TMPDIR\\|TZ\\|XDG_[A-Z_]+\\|DBUS_SESSION_BUS_ADDRESS"
          "\\|DISPLAY\\|WAYLAND_DISPLAY\\|SYSTEMROOT\\|WINDIR\\|APPDATA\\|LOCALAPPDATA\\|PROGRAMDATA\\|USERPROFILE"
          "\\|USERNAME\\|USERDOMAIN\\|HOMEDRIVE\\|HOMEPATH\\|TEMP\\|TMP\\|PATHEXT\\)=")
  "Variables that the daemon gets: no keys, proxies or Python settings.")

(defclass byokd--channel (jsonrpc-process-connection) ((sent :initform nil :documentation "Id of the last request.")))
(defvar byokd--connection nil "The running daemon.")
(defvar byokd--info nil "The result of `initialize'.")
(defvar byokd--lists nil "Answers of the daemon that hold until it says that something changed.")
(defvar byokd--streams nil "Alist of the ids of running chats and the functions that get their events.")
(defvar byokd--count 0 "Number of chats so far.")

(cl-defmethod jsonrpc-connection-send :before ((connection byokd--channel) &key id method &allow-other-keys)
  "Note the ID of a request with a METHOD to CONNECTION, to cancel it later."
  (when method (oset connection sent id)))

(defun byokd--find ()
  "Return the command of the daemon and where it was found."
  (let ((place (expand-file-name "~/.local/bin/byokd")))
    (cond (byokd-command (cons byokd-command "byokd-command"))
          ((executable-find "byokd") (cons (list (executable-find "byokd")) "exec-path"))
          ((file-executable-p place) (cons (list place) "where byokd installs itself"))
          (t (user-error "There is no byokd: install it, or customize `byokd-command'")))))

(defun byokd--start ()
  "Start the daemon and return the connection."
  (let* ((default-directory (expand-file-name "~/"))
         (process-environment
          (seq-filter (lambda (entry) (string-match-p byokd--inherited entry)) process-environment))
         (command (append (car (byokd--find)) '("--stdio")))
         (start (lambda ()
                  (make-process :name "byokd" :command command :noquery t :connection-type 'pipe
                                :coding 'utf-8-emacs-unix :stderr (get-buffer-create "*byokd stderr*"))))
         (connection (make-instance 'byokd--channel :name "byokd" :process start
                                    :events-buffer-scrollback-size 0
                                    :notification-dispatcher #'byokd--notified
                                    :request-dispatcher #'byokd--requested
                                    :on-shutdown #'byokd--ended)))
    (setq byokd--info
          (jsonrpc-request connection 'initialize
                           `(:processId ,(emacs-pid) :capabilities ,(make-hash-table)
                             :initializationOptions
                             (:byokd (:clientInfo (:name "byokd.el" :version "0.1.0") :capabilities (:prompt t))))
                           :timeout byokd--wait))
    (jsonrpc-notify connection 'initialized (make-hash-table))
    connection))

(defun byokd--connect ()
  "Return the connection to the daemon; start it if it does not run."
  (unless (and byokd--connection (jsonrpc-running-p byokd--connection))
    (setq byokd--lists nil)
    (condition-case failure (setq byokd--connection (byokd--start))
      (jsonrpc-error (user-error "The daemon does not start: %s" (byokd--describe (cdr failure))))))
  byokd--connection)

(defun byokd--ended (connection)
  "Say that the daemon of CONNECTION ended."
  (when (eq connection byokd--connection)
    (setq byokd--connection nil)
    (message "byokd: the daemon ended; the next command starts it again")))

(defun byokd--notified (_connection method params)
  "Act on the notification METHOD with PARAMS."
  (pcase method
    ('chat/events (when-let ((show (alist-get (plist-get params :streamId) byokd--streams nil nil #'equal)))
                    (seq-do show (plist-get params :events))))
    ((or 'key/changed 'model/changed 'vault/changed 'catalog/changed) (setq byokd--lists nil))))

(defun byokd--requested (_connection method params)
  "Answer the question METHOD of the daemon with PARAMS.
The answer is that nothing was chosen, and the user is asked afterwards:
jsonrpc.el cannot answer later, and reads nothing while it waits."
  (unless (eq method 'window/showMessageRequest) (jsonrpc-error :code -32601 :message "not supported"))
  (run-at-time 0 nil #'byokd--ask params)
  nil)

(defun byokd--ask (question)
  "Let the user answer QUESTION, and do it."
  (let* ((enable-recursive-minibuffers t)
         (titles (mapcar (lambda (action) (plist-get action :title)) (plist-get question :actions)))
         (id (plist-get (plist-get question :_meta) :keyId)))
    (pcase (completing-read (concat (plist-get question :message) " ") titles nil t)
      ("Update key" (byokd--update id))
      ("Re-enable" (byokd--call 'key/enable :keyId id) (message "byokd: the key is used again"))
      ("Refresh" (byokd--call 'catalog/refresh) (message "byokd: models and prices are new")))))

(defun byokd--describe (failure)
  "Return the sentence of FAILURE with what to do.
FAILURE is a JSON-RPC error, or the data of a signal."
  (let* ((data (or (plist-get failure :data) (alist-get 'jsonrpc-error-data failure)))
         (step (pcase (plist-get (plist-get data :action) :type)
                 ("promptKey" "M-x byokd-add-key") ("enableKey" "M-x byokd-keys") ("pickModel" "M-x byokd-model")
                 ("initializeVault" "`byokd vault init' in a terminal")
                 ("restoreBackup" "`byokd vault restore' in a terminal"))))
    (concat (or (plist-get data :userMessage) (and (eql (plist-get failure :code) -1) "the daemon ended")
                (plist-get failure :message)
                (alist-get 'jsonrpc-error-message failure) (format "%s" failure))
            (and step (format " (%s)" step)))))

(defun byokd--call (method &rest params)
  "Call METHOD with PARAMS and return the result.
If the vault needs its passphrase, ask for it."
  (condition-case failure
      (jsonrpc-request (byokd--connect) method (or params (make-hash-table)) :timeout byokd--wait)
    (jsonrpc-error
     (if (equal (plist-get (alist-get 'jsonrpc-error-data (cdr failure)) :kind) "vaultLocked")
         (progn (byokd--unlock) (apply #'byokd--call method params))
       (user-error "%s" (byokd--describe (cdr failure)))))))

(defun byokd--unlock ()
  "Ask for the passphrase of the vault and unlock it."
  (let ((passphrase (read-passwd "Passphrase of your keys: ")))
    (unwind-protect (byokd--call 'vault/unlock :passphrase (list :plain passphrase))
      (clear-string passphrase))))

(defun byokd--list (method)
  "Return all items of the list METHOD."
  (or (alist-get method byokd--lists)
      (let (items page)
        (while (progn (setq page (byokd--call method :cursor (plist-get page :nextCursor)))
                      (setq items (append items (plist-get page :items) nil))
                      (plist-get page :nextCursor)))
        (setf (alist-get method byokd--lists) items))))

(defun byokd--choose (prompt items name note &optional require)
  "Ask with PROMPT for one of ITEMS by its NAME, with its NOTE beside it.
NAME and NOTE are functions.  If REQUIRE is `confirm', another text may
be the answer."
  (let* ((table (mapcar (lambda (item) (cons (funcall name item) item)) items))
         (width (apply #'max 0 (mapcar (lambda (row) (length (car row))) table)))
         (annotate (lambda (choice)
                     (concat (make-string (- (+ width 2) (length choice)) ?\s) (funcall note (cdr (assoc choice table))))))
         (completion-extra-properties (list :annotation-function annotate)))
    (let ((choice (completing-read prompt table nil (or require t))))
      (or (cdr (assoc choice table)) choice))))

;;;; Keys

(defun byokd--provider (id)
  "Return the provider with ID."
  (seq-find (lambda (provider) (equal (plist-get provider :id) id)) (byokd--list 'provider/list)))

(defun byokd--store (method provider &rest params)
  "Ask for the fields of PROVIDER and send them with PARAMS to METHOD.
Show the verdict of the daemon's probe."
  (let (fields secrets)
    (unwind-protect
        (progn
          (seq-doseq (field (plist-get provider :fields))
            (unless (and (eq (plist-get field :addressOnly) t) (plist-get params :baseUrl))
              (let* ((secret (eq (plist-get field :secret) t)) (hint (plist-get field :hint))
                     (prompt (concat (plist-get provider :name) " " (plist-get field :label)
                                     (and hint (format " (%s)" hint)) ": "))
                     (text (if secret (read-passwd prompt) (read-string prompt))))
                (when secret (push text secrets))
                (unless (string-empty-p text)
                  (setq fields (plist-put fields (intern (concat ":" (plist-get field :name)))
                                          (if secret (list :plain text) text)))))))
          (let ((stored (apply #'byokd--call method :fields (or fields (make-hash-table)) params)))
            (message "byokd: %s" (or (plist-get (plist-get stored :probe) :message) "the key is stored"))))
      (mapc #'clear-string secrets))))

;;;###autoload
(defun byokd-add-key (provider &optional base-url)
  "Ask for a key of PROVIDER and store it for BASE-URL.
The daemon probes it first.
With a prefix argument, ask for another base URL than the provider's own."
  (interactive
   (let ((provider (byokd--choose "Provider: " (byokd--list 'provider/list)
                                  (lambda (item) (plist-get item :id)) (lambda (item) (plist-get item :name)))))
     (list (plist-get provider :id)
           (when (or current-prefix-arg (eq (plist-get provider :baseUrlRequired) t))
             (read-string (format "Base URL (%s): " (or (plist-get provider :baseUrlHint) "http://localhost:8000/v1")))))))
  (byokd--store 'key/store (or (byokd--provider provider) (user-error "There is no provider %s" provider))
                :provider provider :baseUrl base-url))

(defun byokd--update (id)
  "Ask for a new secret of the key with ID."
  (let ((key (seq-find (lambda (item) (equal (plist-get item :keyId) id)) (byokd--list 'key/list))))
    (byokd--store 'key/rotate (byokd--provider (plist-get key :provider)) :keyId id)))

(defun byokd--key-name (key)
  "Return the name of KEY."
  (string-join (delq nil (list (plist-get key :provider) (plist-get key :label) (plist-get key :last4)
                               (plist-get key :origin))) " "))

;;;###autoload
(defun byokd-keys ()
  "Choose a key and what to do with it."
  (interactive)
  (let* ((key (byokd--choose "Key: " (or (byokd--list 'key/list) (user-error "There is no key; M-x byokd-add-key"))
                             #'byokd--key-name (lambda (item) (plist-get item :state))))
         (id (plist-get key :keyId))
         (act (completing-read "Do: " '("update" "enable" "disable" "setDefault" "delete") nil t)))
    (if (equal act "update") (byokd--update id)
      (when (or (not (equal act "delete"))
                (yes-or-no-p (format "%s cannot be brought back.  Delete it? " (byokd--key-name key))))
        (byokd--call (intern (concat "key/" act)) :keyId id)
        (message "byokd: %s: done" act)))))

;;;; Models

(defun byokd--model-name (model)
  "Return the name of MODEL.
It has the key, if that is not the default one of the provider."
  (concat (plist-get model :provider) "/" (plist-get model :id)
          (and (plist-get model :keyId) (concat "@" (plist-get model :keyId)))))

(defun byokd--model-note (model)
  "Return context, price and end of life of MODEL, and why it cannot be used."
  (let ((context (plist-get model :contextTokens)) (ends (plist-get model :endsAt)) (price (plist-get model :price)))
    (string-join
     (delq nil (list (and context (format "%dk context" (/ context 1000)))
                     (and (plist-get price :input)
                          (format "%s in, %s out per million %s" (plist-get price :input)
                                  (or (plist-get price :output) "?") (plist-get price :currency)))
                     (and ends (format-time-string "ends %F" (/ ends 1000)))
                     (and (plist-get model :unavailable)
                          (format "UNAVAILABLE: %s" (plist-get (plist-get model :unavailable) :kind)))))
     "  ")))

;;;###autoload
(defun byokd-model (name &optional save)
  "Use the model NAME from now on.
With SAVE or a prefix argument, in later sessions, too."
  (interactive
   (list (let ((choice (byokd--choose "Model: " (byokd--list 'model/list) #'byokd--model-name #'byokd--model-note 'confirm)))
           (if (stringp choice) choice (byokd--model-name choice)))
         current-prefix-arg))
  (unless (string-match-p "\\`[^/]+/." name) (user-error "Name it PROVIDER/MODEL; add a key with M-x byokd-add-key"))
  (if save (customize-save-variable 'byokd-model name) (setq byokd-model name))
  (force-mode-line-update t))

(defun byokd--model-params ()
  "Return the params that name the chosen model; let the user choose one first."
  (unless byokd-model (call-interactively #'byokd-model))
  (string-match "\\`\\([^/]+\\)/\\(.+?\\)\\(?:@\\(key_[a-z0-9]+\\)\\)?\\'" byokd-model)
  (list :provider (match-string 1 byokd-model) :model (match-string 2 byokd-model) :keyId (match-string 3 byokd-model)))

;;;; Sending

(defvar-local byokd--running nil "The function that stops the answer of this buffer.")

(defun byokd--sendable (part)
  "Return PART of an answer so that it can be sent back.
For jsonrpc.el null and {} are the same, so state that may have either is left
out; the daemon keeps a copy."
  (let ((part (copy-sequence part)))
    (when (equal (plist-get part :type) "toolCall")
      (setq part (plist-put part :arguments (or (plist-get part :arguments) (make-hash-table)))))
    (if (string-match-p "\\_<nil\\_>" (format "%S" (plist-get part :providerState)))
        (plist-put part :providerState nil)
      part)))

(defun byokd--send (messages show done)
  "Send MESSAGES for this buffer.
SHOW gets events, and DONE the result or nil, and the failure."
  (when byokd--running (user-error "An answer is still coming; M-x byokd-stop"))
  (let* ((id (number-to-string (setq byokd--count (1+ byokd--count))))
         (buffer (current-buffer))
         (connection (byokd--connect))
         (in-buffer (lambda (function &rest arguments)
                      (when (buffer-live-p buffer) (with-current-buffer buffer (apply function arguments)))))
         (end (lambda (result failure)
                (setf (alist-get id byokd--streams nil t #'equal) nil)
                (funcall in-buffer (lambda () (setq byokd--running nil) (funcall done result failure)))))
         (tools (mapcar (lambda (tool) (list :name (plist-get tool :name) :description (plist-get tool :description)
                                             :inputSchema (plist-get tool :inputSchema)))
                        (and (derived-mode-p 'byokd-chat-mode) byokd-tools))))
    (push (cons id (lambda (event) (funcall in-buffer show event))) byokd--streams)
    (jsonrpc-async-request
     connection 'chat/send
     `(:streamId ,id ,@(byokd--model-params) :messages ,(vconcat messages)
       ,@(and tools (list :tools (vconcat tools)))
       ,@(and byokd-effort `(:reasoning (:effort ,byokd-effort))))
     :timeout nil
     :success-fn (lambda (result) (run-at-time 0 nil end result nil))
     :error-fn (lambda (failure) (run-at-time 0 nil end nil failure)))
    (let ((request (oref connection sent)))
      (setq byokd--running (lambda () (jsonrpc-notify connection '$/cancelRequest (list :id request)))))))

(defun byokd-stop ()
  "Stop the answer that is coming into this buffer."
  (interactive)
  (if byokd--running (funcall byokd--running) (message "byokd: nothing is running in this buffer")))

;;;; Chats

(defvar-local byokd--messages nil "The conversation; the buffer's text is for reading.")
(defvar-local byokd--prompt nil "Where the person's next message begins.")
(defvar-local byokd--fold nil "The overlay that hides the block that is being written.")
(defvar-local byokd--state nil "What the header line says.")

(define-derived-mode byokd-chat-mode text-mode "byokd"
  "A chat.  Write at the end; what is above is read-only."
  (add-to-invisibility-spec '(byokd . t))
  (visual-line-mode)
  (setq byokd--messages (and byokd-system (list (list :role "system" :content byokd-system)))
        header-line-format '(" " (:eval (or byokd-model "no model")) "   " byokd--state)))

(define-key byokd-chat-mode-map (kbd "C-c C-c") #'byokd-send)
(define-key byokd-chat-mode-map (kbd "C-c C-k") #'byokd-stop)
(define-key byokd-chat-mode-map (kbd "C-c C-v") #'byokd-model)
(define-key byokd-chat-mode-map (kbd "TAB") #'byokd-toggle)

(defun byokd-toggle ()
  "Show or hide the thoughts, or the result of a tool, on this line."
  (interactive)
  (dolist (overlay (overlays-in (line-beginning-position) (1+ (line-end-position))))
    (when (overlay-get overlay 'byokd)
      (overlay-put overlay 'invisible (if (overlay-get overlay 'invisible) nil 'byokd)))))

(defun byokd--put (text &optional face)
  "Write TEXT with FACE at the end; points that are there move along."
  (let* ((inhibit-read-only t) (end (point-max)) (at-end (= (point) end))
         (windows (seq-filter (lambda (window) (= (window-point window) end)) (get-buffer-window-list nil nil t))))
    (save-excursion
      (goto-char end)
      (insert (propertize text 'face face 'read-only t 'front-sticky t 'rear-nonsticky t)))
    (when byokd--fold (move-overlay byokd--fold (overlay-start byokd--fold) (point-max)))
    (when at-end (goto-char (point-max)))
    (dolist (window windows) (set-window-point window (point-max)))))

(defun byokd--put-block (text &optional face)
  "Write TEXT with FACE after an empty line."
  (setq byokd--fold nil)
  (byokd--put (concat (make-string (cond ((bobp) 0) ((looking-back "\n\n" (point-min)) 0) (t 2)) ?\n) text) face))

(defun byokd--put-aside (heading &optional text)
  "Write HEADING, and hide TEXT and what is written until the next block."
  (byokd--put-block heading 'byokd-aside)
  (setq byokd--fold (make-overlay (point-max) (point-max)))
  (overlay-put byokd--fold 'byokd t)
  (overlay-put byokd--fold 'invisible 'byokd)
  (byokd--put (concat "\n" text) 'byokd-aside))

(defun byokd--call-text (call)
  "Return the name and the arguments of CALL."
  (let ((arguments (or (plist-get call :arguments) (make-hash-table))))
    (concat (plist-get call :name) " " (or (plist-get call :rawArguments) (json-serialize arguments)))))

(defun byokd--show (event)
  "Show EVENT of a chat."
  (pcase (plist-get event :type)
    ("start" (setq byokd--state "answering, C-c C-k stops"))
    ("retry" (setq byokd--state (concat "trying again: " (plist-get event :kind))))
    ("textStart" (byokd--put-block ""))
    ("textDelta" (byokd--put (plist-get event :delta)))
    ("reasoningStart" (byokd--put-aside "Thinking"))
    ("reasoningDelta" (byokd--put (plist-get event :delta) 'byokd-aside))
    ("toolCallEnd" (byokd--put-block (concat "→ " (byokd--call-text event))))
    ("citation" (byokd--put (format "\n- %s <%s>" (or (plist-get (plist-get event :source) :title) "")
                                    (or (plist-get (plist-get event :source) :url) ""))))))

(defun byokd--begin (&optional text)
  "Begin the person's next message, with TEXT in it."
  (byokd--put-block "## You" 'byokd-heading)
  (byokd--put "\n\n")
  (setq byokd--prompt (copy-marker (point-max)))
  (goto-char (point-max))
  (insert (or text "")))

(defun byokd--run-tool (call)
  "Run the tool that CALL names after asking the user.
Return the part with its result."
  (let* ((tool (seq-find (lambda (item) (equal (plist-get item :name) (plist-get call :name))) byokd-tools))
         (failed t)
         (text (cond ((not tool) "there is no such tool")
                     ((not (or (eq (plist-get tool :confirm) 'never)
                               (y-or-n-p (format "Run %s? " (byokd--call-text call)))))
                      "the user refused this call")
                     (t (condition-case failure
                            (prog1 (funcall (plist-get tool :function) (plist-get call :arguments)) (setq failed nil))
                          (error (error-message-string failure)))))))
    (byokd--put-aside (if failed "Failed" "Result") text)
    (list :type "toolResult" :callId (plist-get call :callId) :content text :isError (if failed t :json-false))))

(defun byokd--converse (messages text round)
  "Send MESSAGES and results of tools until TEXT is answered.
This is ROUND."
  (setq byokd--state "waiting, C-c C-k stops")
  (byokd--send
   messages #'byokd--show
   (lambda (result failure)
     (let* ((content (mapcar #'byokd--sendable (plist-get (plist-get result :message) :content)))
            (calls (seq-filter (lambda (part) (equal (plist-get part :type) "toolCall")) content))
            (messages (append messages (and content (list (list :role "assistant" :content (vconcat content))))))
            (reason (plist-get (plist-get result :finishReason) :unified)))
       (if (and (equal reason "toolCalls") (< round byokd--rounds))
           (let ((results (mapcar #'byokd--run-tool calls)))
             (byokd--converse (append messages (list (list :role "tool" :content (vconcat results)))) text (1+ round)))
         (when failure (byokd--put-block (byokd--describe failure) 'byokd-error))
         (when content (setq byokd--messages messages))
         (byokd--begin (unless content text))
         (setq byokd--state (if failure "failed" (byokd--summary reason result))))))))

(defun byokd--summary (reason result)
  "Return REASON, tokens and cost of RESULT."
  (let* ((usage (plist-get result :usage)) (cost (plist-get result :cost))
         (sum (lambda (&rest names) (apply #'+ (mapcar (lambda (name) (or (plist-get usage name) 0)) names)))))
    (format "%s%s%s" reason
            (if (eq (plist-get usage :partial) :json-false)
                (format ": %d tokens in, %d out" (funcall sum :inputFresh :inputCacheRead :inputCacheWrite)
                        (funcall sum :outputText :outputReasoning))
              "")
            (if (plist-get cost :amount) (format ", %s %s" (plist-get cost :amount) (plist-get cost :currency)) ""))))

(defun byokd-send ()
  "Send what stands under the last heading.
What was not answered can be sent again."
  (interactive)
  (let ((text (string-trim (buffer-substring-no-properties byokd--prompt (point-max))))
        (params (byokd--model-params)))
    (when byokd--running (user-error "An answer is still coming; C-c C-k stops it"))
    (when (string-empty-p text) (user-error "Write something under the last heading"))
    (goto-char (point-max))
    (let ((inhibit-read-only t)) (add-text-properties byokd--prompt (point-max) '(read-only t rear-nonsticky t)))
    (byokd--put-block (concat "## " (plist-get params :model)) 'byokd-heading)
    (byokd--put "\n\n")
    (byokd--converse (append byokd--messages (list (list :role "user" :content text))) text 1)))

;;;###autoload
(defun byokd-chat (&optional text)
  "Open a new chat with TEXT, which is the region if it is active."
  (interactive (list (and (use-region-p) (buffer-substring-no-properties (region-beginning) (region-end)))))
  (pop-to-buffer (generate-new-buffer "*byokd chat*"))
  (byokd-chat-mode)
  (setq byokd--state "C-c C-c sends, C-c C-v chooses a model")
  (byokd--begin text))

;;;; Text in a file

(defconst byokd--edit-system
  "You write text into a file in an editor.
Answer with that text alone: no explanation, no code fence.")

(defun byokd--edit (start end question)
  "Write the answer to QUESTION between START and END as it comes.
Together it is one step of undo."
  (let* ((start (copy-marker start)) (end (copy-marker end t)) (group (prepare-change-group)) (answer "")
         (write (lambda (text)
                  (setq answer text)
                  (save-excursion (goto-char start) (delete-region start end) (insert text)))))
    (activate-change-group group)
    (message "byokd: writing; M-x byokd-stop stops")
    (byokd--send
     (list (list :role "system" :content byokd--edit-system) (list :role "user" :content question))
     (lambda (event)
       (when (equal (plist-get event :type) "textDelta") (funcall write (concat answer (plist-get event :delta)))))
     (lambda (_result failure)
       (when (string-match "\\`[ \n]*```[^\n]*\n\\(\\(?:.\\|\n\\)*?\\)\n?```[ \n]*\\'" answer) ; in spite of the instruction
         (funcall write (match-string 1 answer)))
       (undo-amalgamate-change-group group)
       (accept-change-group group)
       (message "byokd: %s" (if failure (byokd--describe failure) "written"))))))

;;;###autoload
(defun byokd-rewrite (start end instruction)
  "Replace the text between START and END, following INSTRUCTION."
  (interactive "r\nsRewrite the region: ")
  (byokd--edit start end (concat instruction "\n\nThe selected text:\n" (buffer-substring-no-properties start end))))

;;;###autoload
(defun byokd-insert (instruction)
  "Insert an answer to INSTRUCTION at point."
  (interactive "sInsert: ")
  (byokd--edit (point) (point) instruction))

;;;; Health

;;;###autoload
(defun byokd-health ()
  "Show what works, and what to do about the rest."
  (interactive)
  (with-help-window "*byokd health*"
    (let ((found (byokd--find)))
      (princ (format "daemon: %s (from %s)\n" (string-join (car found) " ") (cdr found))))
    (byokd--connect)
    (princ (format "byokd %s answers\n" (plist-get (plist-get byokd--info :serverInfo) :version)))
    (let ((vault (plist-get (byokd--call 'vault/status) :vault)))
      (princ (format "vault: %s, %s\n" (plist-get vault :state)
                     (or (plist-get vault :protection) (plist-get vault :hint) "the first key creates it"))))
    (dolist (key (byokd--list 'key/list)) (princ (format "key: %s, %s\n" (byokd--key-name key) (plist-get key :state))))
    (princ (format "model: %s\n" (or byokd-model "none; M-x byokd-model")))))

(provide 'byokd)
;;; byokd.el ends here
