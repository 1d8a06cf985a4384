;;; byokd.el --- Chat through your own API keys  -*- lexical-binding: t; -*-

;; Author: the byokd authors
;; Version: 0.1.0
;; Package-Requires: ((emacs "28.1"))
;; Keywords: tools, convenience
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; byokd is a local daemon that keeps your own LLM API keys encrypted and makes
;; the requests of all your editors with them.  This package starts it.
;;
;; M-x byokd-add-key, byokd-model and byokd-chat lead to the first answer,
;; M-x byokd-write writes into a file, and M-x byokd-health says what works.
;;
;; Emacs has no HPKE to seal a key with, so a key goes as it is over the pipe
;; between the two processes.  No buffer, message or log has it.

;;; Code:

(require 'jsonrpc)
(require 'map)

(defgroup byokd nil "Chat through your own API keys." :group 'tools)

(defcustom byokd-command nil
  "The daemon, as a program and its arguments; nil to look for it.
The program is an absolute path, a path with ~/, or a name on PATH."
  :type '(repeat string))

(defcustom byokd-model nil
  "The model of requests, as PROVIDER/MODEL."
  :type '(choice (const :tag "None" nil) string))

(defcustom byokd-params nil
  "What each request has, too, such as (:reasoning (:effort \"low\"))."
  :type 'plist)

(defcustom byokd-tools nil
  "What a model may call, after asking you: lists (NAME FUNCTION . PLIST).
FUNCTION maps the arguments, a plist, to a string.  PLIST has the
:description and the :inputSchema."
  :type '(alist :key-type string :value-type sexp))

(defconst byokd--variables
  (rx bos (or "HOME" "USER" "LOGNAME" "PATH" "LANG" "TZ" "TMPDIR" "DISPLAY"
              "WAYLAND_DISPLAY" "XAUTHORITY" "DBUS_SESSION_BUS_ADDRESS"
              "SECURITYSESSIONID" "__CF_USER_TEXT_ENCODING" "TEMP" "TMP"
              "CREDENTIALS_DIRECTORY" "SYSTEMROOT" "SYSTEMDRIVE" "WINDIR"
              "COMSPEC" "PATHEXT" "USERNAME" "USERDOMAIN" "USERPROFILE"
              "HOMEDRIVE" "HOMEPATH" "APPDATA" "LOCALAPPDATA" "PROGRAMDATA"
              (: (or "LC_" "XDG_") (* (not "=")))) "=")
  "The environment of the daemon; other variables may be keys.")
(defvar byokd--daemon nil "The connection to the running daemon.")
(defvar-local byokd--sent nil "The id of the request that is answered here.")
(defvar-local byokd--prompt nil "Where the next message in a chat begins.")

(defclass byokd--connection (jsonrpc-process-connection)
  ((sent :initform nil :documentation "Id of the last request.")))

(cl-defmethod jsonrpc-connection-send :before
  ((connection byokd--connection) &key id method &allow-other-keys)
  "Note the ID of a request with a METHOD to CONNECTION, to cancel it later."
  (when method (oset connection sent id)))

(defun byokd--find ()
  "Return the command of the daemon.  A relative folder may be a project's."
  (let* ((name (or (car byokd-command) "byokd"))
         (folders (seq-filter #'file-name-absolute-p (remq nil exec-path)))
         (places (append folders '("~/.local/bin")))
         (program (locate-file name places exec-suffixes 1))) ; 1: executable
    (unless program
      (user-error "No %s on PATH or in ~/.local/bin; see `byokd-command'" name))
    (cons program (cdr byokd-command))))

(defun byokd--start ()
  "Start the daemon and return the connection to it."
  (let ((command (append (byokd--find) '("--stdio")))
        (default-directory (expand-file-name "~/")) ; not a project
        (process-environment
         (seq-filter (apply-partially #'string-match-p byokd--variables)
                     process-environment)))
    (make-instance
     'byokd--connection :name "byokd"
     :process (make-process :name "byokd" :command command :noquery t
                            :connection-type 'pipe :coding 'utf-8-emacs-unix
                            :stderr (get-buffer-create "*byokd stderr*"))
     :events-buffer-scrollback-size 0 ; a log of requests would have keys
     :notification-dispatcher #'byokd--notified
     :request-dispatcher ; cannot answer later: nothing is chosen, then we ask
     (lambda (_ _method question)
       (ignore (run-at-time 0 nil #'byokd--ask question))))))

(defun byokd--connect ()
  "Return the connection to the daemon; start it if it does not run."
  (unless (and byokd--daemon (jsonrpc-running-p byokd--daemon))
    (let ((daemon (byokd--start)) (none (make-hash-table))
          (options '(:byokd (:capabilities (:prompt t)))))
      (condition-case nil
          (jsonrpc-request daemon 'initialize
                           `( :processId ,(emacs-pid) :capabilities ,none
                              :initializationOptions ,options)
                           :timeout 60)
        (jsonrpc-error (user-error "This is no byokd: %s" (byokd--find))))
      (jsonrpc-notify daemon 'initialized none)
      (setq byokd--daemon daemon)))
  byokd--daemon)

(defun byokd--describe (data)
  "Return the sentence in DATA of a failed request, and what to do."
  (pcase-let (((map :userMessage :action) data))
    (concat (or userMessage "the daemon ended, or does not answer; try again")
            (pcase (plist-get action :type)
              ("promptKey" " (M-x byokd-add-key)")
              ("pickModel" " (M-x byokd-model)")
              ("unlockVault" " (M-x byokd-unlock)")))))

(defun byokd--call (method &rest params)
  "Call METHOD of the daemon with PARAMS and return the result."
  (let ((inhibit-debugger t)) ; a backtrace would have the key
    (condition-case failure
        (jsonrpc-request (byokd--connect) method (or params (make-hash-table))
                         :timeout 60)
      (jsonrpc-error
       (user-error "%s" (byokd--describe
                         (alist-get 'jsonrpc-error-data (cdr failure))))))))

(defun byokd--list (method &optional cursor)
  "Return the items of the list METHOD from CURSOR on."
  (pcase-let (((map :items :nextCursor) (byokd--call method :cursor cursor)))
    (append items (and nextCursor (byokd--list method nextCursor)))))

(defun byokd--notified (_connection _method params)
  "Show the events in PARAMS, if it has some, in the buffer of their chat."
  (let ((buffer (get-buffer (or (plist-get params :streamId) ""))))
    (when (and buffer (buffer-local-value 'byokd--prompt buffer))
      (with-current-buffer buffer
        (seq-do #'byokd--show-event (plist-get params :events))))))

(defun byokd--ask (question)
  "Let the user answer QUESTION when the minibuffer is free, and do it."
  (if (active-minibuffer-window)
      (run-at-time 1 nil #'byokd--ask question)
    (pcase-let* (((map :message :actions (:_meta (map :keyId :provider)))
                  question)
                 (titles (mapcar (lambda (it) (plist-get it :title)) actions)))
      (pcase (completing-read (concat message " ") titles nil t)
        ("Update key" (byokd--store 'key/rotate provider :keyId keyId))
        ("Re-enable" (byokd--call 'key/enable :keyId keyId))
        ("Refresh" (byokd--call 'catalog/refresh))))))

(defun byokd--choose (prompt method entry)
  "Ask with PROMPT for an item of METHOD.
The function ENTRY makes a list of an item: its name, and facts."
  (let* ((entries (or (mapcar entry (byokd--list method))
                      (user-error "No key is stored; M-x byokd-add-key")))
         (note (lambda (name)
                 (apply #'concat (propertize " " 'display '(space :align-to 40))
                        (cdr (assoc name entries)))))
         (completion-extra-properties (list :annotation-function note)))
    (completing-read prompt entries nil 'confirm)))

(defun byokd--store (method id &rest params)
  "Ask for a key of the provider ID; send it with PARAMS to METHOD."
  (pcase-let* ((provider (seq-find (lambda (it) (equal (plist-get it :id) id))
                                   (byokd--list 'provider/list)))
               ((map :name :fields :baseUrlRequired :baseUrlHint) provider)
               (url (and (eq method 'key/store)
                         (or current-prefix-arg (eq baseUrlRequired t))
                         (read-string "Base URL: " nil nil baseUrlHint)))
               (texts (make-hash-table)))
    (seq-doseq (field fields)
      (pcase-let* (((map :label :hint :secret :addressOnly) field)
                   (prompt (concat name " " label (and hint " (") hint
                                   (and hint ")") ": ")))
        (unless (and url (eq addressOnly t))
          (puthash (plist-get field :name)
                   (if (eq secret t) (list :plain (read-passwd prompt))
                     (read-string prompt))
                   texts))))
    (setq params (append (and url (list :baseUrl url)) params))
    (message "byokd: %s"
             (map-nested-elt (apply #'byokd--call method :fields texts params)
                             '(:probe :message) "the key is stored"))))

;;;###autoload
(defun byokd-add-key (id)
  "Ask for a key of the provider ID, have it checked, and store it.
With a prefix argument, ask for another base URL than the provider's own."
  (interactive
   (list (byokd--choose "Provider: " 'provider/list
                        (pcase-lambda ((map :id :name)) (list id name)))))
  (byokd--store 'key/store id :provider id))

;;;###autoload
(defun byokd-unlock (passphrase)
  "Unlock the vault with its PASSPHRASE; with an empty one, the keyring asks."
  (interactive (list (read-passwd "Passphrase (empty: ask the OS keyring): ")))
  (byokd--call 'vault/unlock :passphrase (unless (equal passphrase "")
                                           (list :plain passphrase)))
  (message "byokd: the vault is unlocked"))

(defun byokd--model-entry (model)
  "Return the name of MODEL, with its key if another is the default, and facts."
  (pcase-let (((map :provider :id :keyId :contextTokens :endsAt
                    (:price (map :input :output :currency))
                    (:unavailable (map :kind)))
               model))
    (list (concat provider "/" id (and keyId "@") keyId)
          (and contextTokens (format "%dk context  " (/ contextTokens 1000)))
          (and input (format "%s in, %s out per million %s  "
                             input (or output "?") currency))
          (and endsAt (format-time-string "ends %F  " (/ endsAt 1000)))
          (and kind (concat "UNAVAILABLE: " kind)))))

;;;###autoload
(defun byokd-model (name)
  "Use the model NAME in this session.  It may be one that no list has."
  (interactive
   (list (byokd--choose "Model: " 'model/list #'byokd--model-entry)))
  (setq byokd-model name))

(defvar-local byokd--messages nil "What is sent; a chat's text is to read.")

(define-derived-mode byokd-chat-mode text-mode "byokd"
  "A chat.  Write at the end; changes in what was sent have no effect."
  (visual-line-mode)
  (setq-local window-point-insertion-type t) ; windows follow the answer
  (add-to-invisibility-spec '(byokd . t))
  (setq header-line-format
        '(" " (:eval (or byokd-model "no model"))
          (:eval (if byokd--sent "   C-c C-k stops" "   C-c C-c sends")))))

(define-key byokd-chat-mode-map (kbd "C-c C-c") #'byokd-send)
(define-key byokd-chat-mode-map (kbd "C-c C-k") #'byokd-stop)
(define-key byokd-chat-mode-map (kbd "TAB") #'visible-mode)

(defun byokd--put (text &rest properties)
  "Write TEXT with PROPERTIES at the end; move a point that is there."
  (let ((place (copy-marker (point) (eobp))))
    (goto-char (point-max))
    (insert (apply #'propertize text properties))
    (goto-char place)))

(defun byokd--show-event (event)
  "Show EVENT of an answer."
  (pcase-let (((map :type :delta :source) event))
    (pcase type
      ("textStart" (byokd--put "\n\n"))
      ("textDelta" (byokd--put delta))
      ("reasoningStart" (byokd--put "\n\nThinking" 'face 'shadow)
       (byokd--put "\n" 'invisible 'byokd))
      ("reasoningDelta" (byokd--put delta 'face 'shadow 'invisible 'byokd))
      ("citation" (byokd--put (format "\n- %s" (plist-get source :url)))))))

(defun byokd--send (messages tools done)
  "Send MESSAGES for this buffer, and declare TOOLS.
DONE gets the parts of the answer, and why it ended, or nil and an error."
  (when byokd--sent (user-error "An answer is still coming; M-x byokd-stop"))
  (unless (string-match "\\`\\([^/]+\\)/\\(.+?\\)\\(?:@\\(key_.+\\)\\)?\\'"
                        (or byokd-model ""))
    (user-error "Choose a model; M-x byokd-model"))
  (let* ((params (list :streamId (buffer-name)
                       :provider (match-string 1 byokd-model)
                       :model (match-string 2 byokd-model)
                       :keyId (match-string 3 byokd-model)
                       :messages (vconcat messages) :tools (vconcat tools)))
         (daemon (byokd--connect)) (buffer (current-buffer))
         (end (lambda (content reason)
                (when (buffer-live-p buffer)
                  (with-current-buffer buffer
                    (setq byokd--sent nil)
                    (funcall done content reason))))))
    (jsonrpc-async-request
     daemon 'chat/send (append params byokd-params) :timeout nil
     :success-fn (pcase-lambda ((map (:message (map :content))
                                     (:finishReason (map :unified))))
                   (run-at-time 0 nil end (append content nil) unified))
     :error-fn (pcase-lambda ((map :data))
                 (run-at-time 0 nil end nil (byokd--describe data))))
    (setq byokd--sent (oref daemon sent))))

(defun byokd-stop ()
  "Stop the answer that is coming into this buffer."
  (interactive)
  (when byokd--sent
    (jsonrpc-notify byokd--daemon '$/cancelRequest (list :id byokd--sent))))

(defun byokd--run-tool (call)
  "Ask the user and run the tool of CALL.  Return the part with its result."
  (pcase-let* (((map :callId :name :arguments :rawArguments) call)
               (json (json-serialize arguments :false-object :json-false))
               (text (concat name " " (or rawArguments json)))
               (failed :json-false))
    (byokd--put (concat "\n\n→ " text))
    (condition-case failure
        (setq text (if (yes-or-no-p (format "Run %s? " text))
                       (funcall (cadr (assoc name byokd-tools)) arguments)
                     (error "The user refused this call")))
      (error (setq text (error-message-string failure) failed t)))
    (byokd--put (if (eq failed t) "\n\nFailed" "\n\nResult") 'face 'shadow)
    (byokd--put (concat "\n" text) 'face 'shadow 'invisible 'byokd)
    (list :type "toolResult" :callId callId :content text :isError failed)))

(defun byokd--sendable (part)
  "Return PART for sending it back.  In it, null and {} are both nil.
State with nil is left out, and the daemon takes its copy."
  (pcase-let (((map :type :arguments :providerState) part))
    (append (and (equal type "toolCall") (not arguments)
                 (list :arguments (make-hash-table)))
            (and (string-match-p "\\_<nil\\_>" (format "%S" providerState))
                 (list :providerState nil))
            part)))

(defun byokd--converse (messages text)
  "Send MESSAGES, and results of tools, until TEXT is answered."
  (byokd--send
   messages (mapcar (pcase-lambda (`(,name ,_ . ,facts)) `(:name ,name ,@facts))
                    byokd-tools)
   (lambda (content reason)
     (let* ((parts (mapcar #'byokd--sendable content))
            (answer `(:role "assistant" :content ,(vconcat parts)))
            (messages `(,@messages ,answer)))
       (if (equal reason "toolCalls")
           (let* ((call-p (lambda (part) (plist-get part :callId)))
                  (calls (seq-filter call-p content))
                  (results (vconcat (mapcar #'byokd--run-tool calls))))
             (byokd--converse
              `(,@messages (:role "tool" :content ,results)) text))
         (when content (setq byokd--messages messages))
         (unless (equal reason "stop")
           (byokd--put (concat "\n\n" reason) 'face 'shadow))
         (byokd--begin (if content "" text)))))))

(defun byokd--begin (text)
  "Begin the user's next message, with TEXT in it."
  (byokd--put (if (bobp) "## You\n\n" "\n\n## You\n\n") 'face 'bold)
  (setq byokd--prompt (point-max-marker))
  (byokd--put text))

(defun byokd-send ()
  "Send what stands under the last heading."
  (interactive)
  (let ((text (string-trim (buffer-substring byokd--prompt (point-max)))))
    (when (equal text "") (user-error "There is nothing to send"))
    (byokd--converse `(,@byokd--messages (:role "user" :content ,text)) text)
    (goto-char (point-max))
    (byokd--put (concat "\n\n## " byokd-model) 'face 'bold)))

;;;###autoload
(defun byokd-chat ()
  "Open a new chat."
  (interactive)
  (pop-to-buffer (generate-new-buffer "*byokd chat*"))
  (byokd-chat-mode)
  (byokd--begin ""))

;;;###autoload
(defun byokd-write (instruction)
  "Replace the region with the answer to INSTRUCTION, or insert it at point."
  (interactive "sWrite: ")
  (pcase-let* ((`(,start . ,end) (if (use-region-p) (car (region-bounds))
                                   (cons (point) (point))))
               (selected (buffer-substring-no-properties start end))
               (start (copy-marker start)) (end (copy-marker end t))
               (rule "\n\nAnswer with text for a file, and with nothing else."))
    (byokd--send
     `((:role "user" :content ,(concat instruction "\n\n" selected rule)))
     nil
     (lambda (content reason)
       (if (or (not content) (equal reason "cancelled"))
           (message "byokd: nothing is written; %s" reason)
         (let ((text (mapconcat (pcase-lambda ((map :type :text))
                                  (if (equal type "text") text ""))
                                content "")))
           (when (string-prefix-p "```" text) ; some models add a fence
             (setq text (string-trim text "```.*\n" "\n?```\n*")))
           (save-excursion
             (goto-char start)
             (delete-region start end)
             (insert text))))))
    (message "byokd: writing; M-x byokd-stop stops")))

;;;###autoload
(defun byokd-health ()
  "Show what works, and what to do about the rest."
  (interactive)
  (pcase-let (((map (:vault (map :state :protection :hint)))
               (byokd--call 'vault/status)))
    (with-help-window "*byokd health*"
      (princ (format "daemon: %s\nvault: %s, %s\nmodel: %s\n"
                     (mapconcat #'identity (byokd--find) " ") state (or protection hint)
                     (or byokd-model "none; M-x byokd-model")))
      (pcase-dolist ((map :provider :origin :state) (byokd--list 'key/list))
        (princ (format "key: %s, %s, %s\n" provider origin state))))))

(provide 'byokd)
;;; byokd.el ends here
