;;; byokd.el --- Chat with models through your own API keys  -*- lexical-binding: t; -*-

;; Copyright (C) 2026 the byokd authors
;; Author: the byokd authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, convenience
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; byokd is a local daemon that keeps your own LLM API keys encrypted and makes the requests of all
;; your editors with them.  This package starts it when it is needed.
;;
;;   M-x byokd-add-key   store a key; it is not shown and not kept in Emacs
;;   M-x byokd-model     choose a model; a prefix argument saves the choice
;;   M-x byokd-chat      chat: C-c C-c sends, C-c C-k stops, TAB unfolds thoughts
;;   M-x byokd-rewrite   replace the region with an answer; M-x byokd-insert inserts one at point
;;   M-x byokd-unlock    unlock keys that a passphrase protects
;;   M-x byokd-health    what works, and what to do about the rest
;;
;; The daemon is the first of `byokd-command', byokd in the variable `exec-path', and
;; ~/.local/bin/byokd.  It gets a key as it is, over the pipe between the two processes: Emacs has no
;; HPKE to seal it with, so the log of jsonrpc.el is switched off and no buffer has the key.  To
;; rename, disable or delete keys, run "byokd keys" in a shell, or "byokd ui" for a page.

;;; Code:

(require 'jsonrpc)
(require 'seq)
(require 'subr-x)

(defgroup byokd nil "Chat with models through your own API keys." :group 'tools)

(defcustom byokd-command nil
  "The program that is the daemon and its arguments; nil to look for byokd."
  :type '(choice (const :tag "Look for it" nil) (repeat string)))

(defcustom byokd-model nil
  "The model of new messages as PROVIDER/MODEL; see the command `byokd-model'."
  :type '(choice (const :tag "None" nil) string))

(defcustom byokd-system nil "A system prompt for chats." :type '(choice (const nil) string))

(defcustom byokd-effort nil
  "How much a model thinks: none, minimal, low, medium, high, xhigh or max."
  :type '(choice (const :tag "As the provider does" nil) string))

(defcustom byokd-tools nil
  "What a model may call, after asking you.
An alist of functions and plists with :name, :description and :inputSchema.
A function gets the arguments as a plist and returns a string."
  :type '(alist :key-type function :value-type plist))

(defface byokd-heading '((t :inherit bold)) "Who speaks in a chat.")
(defface byokd-aside '((t :inherit shadow)) "Thoughts, results of tools, and errors.")

;;;; The daemon

(defconst byokd--wait 60 "Seconds that a call may take which the user waits for.")
(defvar byokd--daemon nil "The connection to the running daemon.")
(defvar byokd--info nil "What the daemon said of itself.")
(defvar-local byokd--show #'ignore "The function that gets the events of this buffer's answer.")
(defvar-local byokd--stop nil "The function that stops the answer of this buffer.")

(defclass byokd--connection (jsonrpc-process-connection)
  ((sent :initform nil :documentation "Id of the last request.")))

(cl-defmethod jsonrpc-connection-send :before
  ((connection byokd--connection) &key id method &allow-other-keys)
  "Note the ID of a request with a METHOD to CONNECTION, to cancel it later."
  (when method (oset connection sent id)))

(defun byokd--get (object &rest names)
  "Return the value in OBJECT at the end of NAMES."
  (seq-reduce #'plist-get names object))

(defun byokd--find ()
  "Return the command of the daemon and where it was found."
  (let ((place (expand-file-name "~/.local/bin/byokd")))
    (cond (byokd-command (cons byokd-command "byokd-command"))
          ((executable-find "byokd") (cons (list (executable-find "byokd")) "exec-path"))
          ((file-executable-p place) (cons (list place) "where byokd installs itself"))
          (t (user-error "There is no byokd: install it, or customize `byokd-command'")))))

(defun byokd--connect ()
  "Return the connection to the daemon; start it if it does not run."
  (unless (and byokd--daemon (jsonrpc-running-p byokd--daemon))
    (let* ((command (append (car (byokd--find)) '("--stdio")))
           (default-directory (expand-file-name "~/")) ; start no program of a project
           (process (make-process :name "byokd" :command command :noquery t
                                  :connection-type 'pipe :coding 'utf-8-emacs-unix
                                  :stderr (get-buffer-create "*byokd stderr*"))))
      (setq byokd--daemon (make-instance 'byokd--connection :name "byokd" :process process
                                         :events-buffer-scrollback-size 0
                                         :notification-dispatcher #'byokd--notified
                                         :request-dispatcher #'byokd--requested))
      (setq byokd--info
            (jsonrpc-request byokd--daemon 'initialize
                             `( :processId ,(emacs-pid) :capabilities ,(make-hash-table)
                                :clientInfo (:name "Emacs" :version ,emacs-version)
                                :initializationOptions (:byokd (:capabilities (:prompt t))))
                             :timeout byokd--wait))
      (jsonrpc-notify byokd--daemon 'initialized (make-hash-table))))
  byokd--daemon)

(defun byokd--describe (failure)
  "Return the sentence of FAILURE, which is a JSON-RPC error or a signal's data."
  (let ((data (or (plist-get failure :data) (alist-get 'jsonrpc-error-data failure))))
    (cond (data (concat (plist-get data :userMessage)
                        (pcase (byokd--get data :action :type)
                          ("promptKey" " (M-x byokd-add-key)")
                          ("pickModel" " (M-x byokd-model)")
                          ("unlockVault" " (M-x byokd-unlock)"))))
          ((jsonrpc-running-p byokd--daemon) (format "%s" failure))
          (t "the daemon ended; the next command starts it again"))))

(defun byokd--call (method &rest params)
  "Call METHOD with PARAMS and return the result."
  (condition-case failure
      (jsonrpc-request (byokd--connect) method (or params (make-hash-table)) :timeout byokd--wait)
    (jsonrpc-error (user-error "%s" (byokd--describe (cdr failure))))))

(defun byokd--list (method)
  "Return all items of the list METHOD."
  (let* ((page (byokd--call method)) (items (append (plist-get page :items) nil)))
    (while (plist-get page :nextCursor)
      (setq page (byokd--call method :cursor (plist-get page :nextCursor))
            items (append items (plist-get page :items) nil)))
    items))

(defun byokd--notified (_connection method params)
  "Show the events in PARAMS if METHOD is chat/events."
  (when-let ((buffer (and (eq method 'chat/events) (get-buffer (plist-get params :streamId)))))
    (with-current-buffer buffer (seq-do byokd--show (plist-get params :events)))))

(defun byokd--requested (_connection method params)
  "Answer the question METHOD of the daemon with PARAMS.
The answer is that nothing was chosen, and the user is asked afterwards:
jsonrpc.el cannot answer later, and reads nothing while it waits."
  (unless (eq method 'window/showMessageRequest) (jsonrpc-error :code -32601 :message "unknown"))
  (ignore (run-at-time 0 nil #'byokd--ask params)))

(defun byokd--ask (question)
  "Let the user answer QUESTION, and do it."
  (let ((enable-recursive-minibuffers t) (id (byokd--get question :_meta :keyId))
        (titles (mapcar (lambda (action) (plist-get action :title)) (plist-get question :actions))))
    (pcase (completing-read (concat (plist-get question :message) " ") titles nil t)
      ("Update key" (byokd--store 'key/rotate (byokd--get question :_meta :provider) :keyId id))
      ("Re-enable" (byokd--call 'key/enable :keyId id))
      ("Refresh" (byokd--call 'catalog/refresh)))))

;;;; Keys and models

(defun byokd--choose (prompt items name note)
  "Ask with PROMPT for one of ITEMS by its NAME, with its NOTE beside it.
NAME and NOTE are functions.  Another text is taken, too."
  (let* ((table (mapcar (lambda (item) (cons (funcall name item) (funcall note item))) items))
         (note (lambda (choice) (concat (propertize " " 'display '(space :align-to 50))
                                        (cdr (assoc choice table)))))
         (completion-extra-properties (list :annotation-function note)))
    (completing-read prompt table nil 'confirm)))

(defun byokd--read-field (provider field)
  "Ask for FIELD of a key of PROVIDER, and return it as it is sent; nil if empty."
  (let* ((hint (plist-get field :hint)) (secret (eq (plist-get field :secret) t))
         (prompt (format "%s %s%s: " (plist-get provider :name) (plist-get field :label)
                         (if hint (format " (%s)" hint) "")))
         (text (if secret (read-passwd prompt) (read-string prompt))))
    (unless (string-empty-p text) (if secret (list :plain text) text))))

(defun byokd--store (method id &rest params)
  "Ask for a key of the provider with ID and send it with PARAMS to METHOD.
Show the verdict of the daemon's probe."
  (let ((provider (seq-find (lambda (item) (equal (plist-get item :id) id))
                            (byokd--list 'provider/list)))
        (url (plist-get params :baseUrl)) (fields (make-hash-table)))
    (unless provider (user-error "There is no provider %s" id))
    (when (and (eq method 'key/store) (eq (plist-get provider :baseUrlRequired) t) (not url))
      (setq url (read-string "Base URL: " nil nil (plist-get provider :baseUrlHint))
            params (plist-put params :baseUrl url)))
    (seq-doseq (field (plist-get provider :fields))
      (when-let ((value (unless (and (eq (plist-get field :addressOnly) t) url)
                          (byokd--read-field provider field))))
        (puthash (plist-get field :name) value fields)))
    (unwind-protect
        (message "byokd: %s" (or (byokd--get (apply #'byokd--call method :fields fields params)
                                             :probe :message)
                                 "the key is stored"))
      (maphash (lambda (_ value) (when (listp value) (clear-string (cadr value)))) fields))))

;;;###autoload
(defun byokd-add-key (provider &optional base-url)
  "Ask for a key of PROVIDER and store it for BASE-URL.
The daemon asks the provider first, and refuses a key that is bad.
With a prefix argument, ask for another base URL than the provider's own."
  (interactive (list (byokd--choose "Provider: " (byokd--list 'provider/list)
                                    (lambda (item) (plist-get item :id))
                                    (lambda (item) (plist-get item :name)))
                     (and current-prefix-arg (read-string "Base URL: "))))
  (byokd--store 'key/store provider :provider provider :baseUrl base-url))

;;;###autoload
(defun byokd-unlock (passphrase)
  "Unlock the vault with its PASSPHRASE; with an empty one, the OS keyring asks."
  (interactive (list (read-passwd "Passphrase of your keys (empty: ask the OS keyring): ")))
  (byokd--call 'vault/unlock
               :passphrase (unless (string-empty-p passphrase) (list :plain passphrase)))
  (message "byokd: the vault is unlocked"))

(defun byokd--model-name (model)
  "Return the name of MODEL, with its key if that is not the provider's default."
  (concat (plist-get model :provider) "/" (plist-get model :id)
          (and (plist-get model :keyId) (concat "@" (plist-get model :keyId)))))

(defun byokd--model-note (model)
  "Return context, price and end of life of MODEL, and why it cannot be used."
  (let ((context (plist-get model :contextTokens)) (ends (plist-get model :endsAt))
        (price (plist-get model :price)) (problem (byokd--get model :unavailable :kind)))
    (concat (and context (format "%dk context  " (/ context 1000)))
            (and (plist-get price :input)
                 (format "%s in, %s out per million %s  " (plist-get price :input)
                         (or (plist-get price :output) "?") (plist-get price :currency)))
            (and ends (format-time-string "ends %F  " (/ ends 1000)))
            (and problem (concat "UNAVAILABLE: " problem)))))

;;;###autoload
(defun byokd-model (name &optional save)
  "Use the model NAME from now on.  It may be one that no list has.
With SAVE or a prefix argument, in later sessions, too."
  (interactive (list (byokd--choose "Model: " (byokd--list 'model/list)
                                    #'byokd--model-name #'byokd--model-note)
                     current-prefix-arg))
  (if save (customize-save-variable 'byokd-model name) (setq byokd-model name))
  (force-mode-line-update t))

;;;; Sending

(defun byokd--send (messages tools show done)
  "Send MESSAGES for this buffer, and declare TOOLS.
SHOW gets events, and DONE the result or nil, and the failure."
  (when byokd--stop (user-error "An answer is still coming; M-x byokd-stop"))
  (unless (string-match "\\`\\([^/]+\\)/\\(.+?\\)\\(?:@\\(key_[a-z0-9]+\\)\\)?\\'"
                        (or byokd-model ""))
    (user-error "Choose a model; M-x byokd-model"))
  (let* ((params (list :streamId (buffer-name) :provider (match-string 1 byokd-model)
                       :model (match-string 2 byokd-model) :keyId (match-string 3 byokd-model)
                       :messages (vconcat messages) :tools (vconcat tools)
                       :reasoning (and byokd-effort (list :effort byokd-effort))))
         (buffer (current-buffer)) (daemon (byokd--connect))
         (end (lambda (&optional result failure)
                (when (buffer-live-p buffer)
                  (with-current-buffer buffer
                    (setq byokd--stop nil)
                    (funcall done result failure))))))
    (setq byokd--show show)
    (jsonrpc-async-request
     daemon 'chat/send params :timeout nil
     :success-fn (lambda (result) (run-at-time 0 nil end result))
     :error-fn (lambda (failure) (run-at-time 0 nil end nil failure)))
    (let ((id (oref daemon sent)))
      (setq byokd--stop (lambda () (jsonrpc-notify daemon '$/cancelRequest (list :id id)))))))

(defun byokd-stop ()
  "Stop the answer that is coming into this buffer."
  (interactive)
  (when byokd--stop (funcall byokd--stop)))

;;;; Chats

(defvar-local byokd--messages nil "The conversation; the buffer's text is for reading.")
(defvar-local byokd--prompt nil "Where the person's next message begins.")
(defvar-local byokd--aside nil "What hides the thoughts that are coming.")
(defvar-local byokd--state "C-c C-c sends, C-c C-v chooses a model" "What the header line says.")

(define-derived-mode byokd-chat-mode text-mode "byokd"
  "A chat.  Write at the end; what is above is read-only."
  (visual-line-mode)
  (setq-local window-point-insertion-type t) ; windows follow the answer
  (setq byokd--messages (and byokd-system `((:role "system" :content ,byokd-system)))
        header-line-format '(" " (:eval (or byokd-model "no model")) "   " byokd--state)))

(define-key byokd-chat-mode-map (kbd "C-c C-c") #'byokd-send)
(define-key byokd-chat-mode-map (kbd "C-c C-k") #'byokd-stop)
(define-key byokd-chat-mode-map (kbd "C-c C-v") #'byokd-model)
(define-key byokd-chat-mode-map (kbd "TAB") #'byokd-toggle)

(defun byokd-toggle ()
  "Show or hide the thoughts, or the result of a tool, below this line."
  (interactive)
  (when-let ((block (get-text-property (line-end-position) 'invisible)))
    (if (assq block buffer-invisibility-spec)
        (remove-from-invisibility-spec (cons block t))
      (add-to-invisibility-spec (cons block t)))))

(defun byokd--put (text &rest properties)
  "Write TEXT with PROPERTIES at the end; move a point that is there."
  (let ((inhibit-read-only t) (place (if (eobp) (point-marker) (copy-marker (point)))))
    (set-marker-insertion-type place (eobp))
    (goto-char (point-max))
    (insert (apply #'propertize text 'read-only t 'front-sticky t 'rear-nonsticky t properties))
    (goto-char place)))

(defun byokd--put-aside (heading &optional text)
  "Write HEADING, and below it TEXT and what is put aside later, hidden."
  (setq byokd--aside (make-symbol heading))
  (add-to-invisibility-spec (cons byokd--aside t))
  (byokd--put (concat "\n\n" heading) 'face 'byokd-aside)
  (byokd--put (concat "\n" text) 'face 'byokd-aside 'invisible byokd--aside))

(defun byokd--call-text (call)
  "Return the name and the arguments of CALL."
  (let ((arguments (or (plist-get call :arguments) (make-hash-table))))
    (concat (plist-get call :name) " " (or (plist-get call :rawArguments) (json-serialize arguments)))))

(defun byokd--show-event (event)
  "Show EVENT of an answer."
  (let ((delta (plist-get event :delta)))
    (pcase (plist-get event :type)
      ("textStart" (byokd--put "\n\n"))
      ("textDelta" (byokd--put delta))
      ("reasoningStart" (byokd--put-aside "Thinking"))
      ("reasoningDelta" (byokd--put delta 'face 'byokd-aside 'invisible byokd--aside))
      ("toolCallEnd" (byokd--put (concat "\n\n→ " (byokd--call-text event))))
      ("citation" (byokd--put (format "\n- %s" (byokd--get event :source :url)))))))

(defun byokd--begin (text)
  "Begin the person's next message, with TEXT in it."
  (byokd--put (if (bobp) "## You\n\n" "\n\n## You\n\n") 'face 'byokd-heading)
  (goto-char (point-max))
  (setq byokd--prompt (point-marker))
  (insert (or text "")))

(defun byokd--run-tool (call)
  "Ask the user, run the tool that CALL names, and return the part with its result."
  (let* ((tool (seq-find (lambda (tool) (equal (byokd--get (cdr tool) :name) (plist-get call :name)))
                         byokd-tools))
         (failed :json-false)
         (text (condition-case failure
                   (cond ((not tool) (error "There is no such tool"))
                         ((y-or-n-p (format "Run %s? " (byokd--call-text call)))
                          (funcall (car tool) (plist-get call :arguments)))
                         (t (error "The user refused this call")))
                 (error (setq failed t) (error-message-string failure)))))
    (byokd--put-aside (if (eq failed t) "Failed" "Result") text)
    (list :type "toolResult" :callId (plist-get call :callId) :content text :isError failed)))

(defun byokd--sendable (part)
  "Return PART of an answer for sending it back.
For jsonrpc.el null and {} are both nil: arguments become {} again, and
state with either is left out, because the daemon keeps a copy."
  (append (and (equal (plist-get part :type) "toolCall") (not (plist-get part :arguments))
               (list :arguments (make-hash-table)))
          (and (string-match-p "\\_<nil\\_>" (format "%S" (plist-get part :providerState)))
               (list :providerState nil))
          part))

(defun byokd--converse (messages text)
  "Send MESSAGES, and results of tools, until TEXT is answered."
  (setq byokd--state "answering, C-c C-k stops")
  (byokd--send
   messages (mapcar #'cdr byokd-tools) #'byokd--show-event
   (lambda (result failure)
     (let* ((content (mapcar #'byokd--sendable (byokd--get result :message :content)))
            (calls (seq-filter (lambda (part) (equal (plist-get part :type) "toolCall")) content))
            (answer `(:role "assistant" :content ,(vconcat content)))
            (messages (if content (append messages (list answer)) messages)))
       (if (equal (byokd--get result :finishReason :unified) "toolCalls")
           (let ((results (vconcat (mapcar #'byokd--run-tool calls))))
             (byokd--converse (append messages `((:role "tool" :content ,results))) text))
         (when content (setq byokd--messages messages))
         (when failure (byokd--put (concat "\n\n" (byokd--describe failure)) 'face 'byokd-aside))
         (setq byokd--state (if failure "failed" (byokd--summary result)))
         (byokd--begin (unless content text)))))))

(defun byokd--summary (result)
  "Return how RESULT ended, and its tokens and cost as far as they are known."
  (let* ((usage (plist-get result :usage)) (cost (plist-get result :cost))
         (sum (lambda (&rest names)
                (apply #'+ (mapcar (apply-partially #'plist-get usage) names)))))
    (concat (byokd--get result :finishReason :unified)
            (and (eq (plist-get usage :partial) :json-false)
                 (format ", %d tokens in, %d out"
                         (funcall sum :inputFresh :inputCacheRead :inputCacheWrite)
                         (funcall sum :outputText :outputReasoning)))
            (and (plist-get cost :amount)
                 (format ", %s %s" (plist-get cost :amount) (plist-get cost :currency))))))

(defun byokd-send ()
  "Send what stands under the last heading, or stands there again after a failure."
  (interactive)
  (let ((text (string-trim (buffer-substring-no-properties byokd--prompt (point-max))))
        (inhibit-read-only t))
    (when (or byokd--stop (string-empty-p text)) (user-error "There is nothing to send"))
    (add-text-properties byokd--prompt (point-max) '(read-only t rear-nonsticky t))
    (goto-char (point-max))
    (byokd--put (format "\n\n## %s" byokd-model) 'face 'byokd-heading)
    (byokd--converse (append byokd--messages `((:role "user" :content ,text))) text)))

;;;###autoload
(defun byokd-chat (&optional text)
  "Open a new chat with TEXT, which is the region if it is active."
  (interactive (list (and (use-region-p)
                          (buffer-substring-no-properties (region-beginning) (region-end)))))
  (pop-to-buffer (generate-new-buffer "*byokd chat*"))
  (byokd-chat-mode)
  (byokd--begin text))

;;;; Text in a file

(defun byokd--write (start end question)
  "Replace the text between START and END with the answer to QUESTION."
  (let ((start (copy-marker start)) (end (copy-marker end t))
        (system "Write text for a file: answer with that text alone, without a code fence."))
    (message "byokd: writing; M-x byokd-stop stops")
    (byokd--send
     `((:role "system" :content ,system) (:role "user" :content ,question)) nil #'ignore
     (lambda (result failure)
       (if (or failure (equal (byokd--get result :finishReason :unified) "cancelled"))
           (message "byokd: %s" (if failure (byokd--describe failure) "nothing was written"))
         (save-excursion
           (goto-char start)
           (delete-region start end)
           (seq-doseq (part (byokd--get result :message :content))
             (when (equal (plist-get part :type) "text") (insert (plist-get part :text))))))))))

;;;###autoload
(defun byokd-rewrite (start end instruction)
  "Replace the text between START and END, following INSTRUCTION."
  (interactive "r\nsRewrite the region: ")
  (byokd--write start end (concat instruction "\n\nThe selected text:\n"
                                  (buffer-substring-no-properties start end))))

;;;###autoload
(defun byokd-insert (instruction)
  "Insert an answer to INSTRUCTION at point."
  (interactive "sInsert: ")
  (byokd--write (point) (point) instruction))

;;;; Health

;;;###autoload
(defun byokd-health ()
  "Show what works, and what to do about the rest."
  (interactive)
  (let ((found (byokd--find)) (vault (byokd--get (byokd--call 'vault/status) :vault)))
    (with-help-window "*byokd health*"
      (princ (format "byokd %s: %s (from %s)\n" (byokd--get byokd--info :serverInfo :version)
                     (string-join (car found) " ") (cdr found)))
      (princ (format "vault: %s, %s\n" (plist-get vault :state)
                     (or (plist-get vault :protection) (plist-get vault :hint))))
      (dolist (key (byokd--list 'key/list))
        (princ (format "key: %s, %s, %s\n" (plist-get key :provider) (plist-get key :origin)
                       (plist-get key :state))))
      (princ (format "model: %s\n" (or byokd-model "none; M-x byokd-model"))))))

(provide 'byokd)
;;; byokd.el ends here
