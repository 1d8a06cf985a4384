;;; chat.el --- A byokd client in Emacs -*- lexical-binding: t -*-

;;   emacs --batch -Q -l chat.el BASE_URL MODEL
;;
;; Uses jsonrpc.el, which is in Emacs since 27.  Stores a key for a server in OpenAI's format, asks
;; one question and prints the answer as it comes.  The key is asked for, or read from stdin.
;; `byokd sandbox' prints base URLs and models to try, and accepts any key that begins with
;; sandbox-key-.  $BYOKD names the command to start if it is not `byokd'.

(require 'jsonrpc)
(require 'seq)

(defconst byokd-provider "openai-compatible")
(defconst byokd-wait 60 "Seconds that a call may take.")

(defun byokd-show (_connection method params)
  "Print the text of the PARAMS of METHOD `chat/events'."
  (when (eq method 'chat/events)
    (seq-doseq (event (plist-get params :events))
      (when (equal (plist-get event :type) "textDelta")
        (princ (plist-get event :delta))))))

(defun byokd-start (data-dir)
  "Start a daemon that keeps its store in DATA-DIR; return the connection."
  (let ((command (append (split-string (or (getenv "BYOKD") "byokd"))
                         (list "--stdio" "--data-dir" data-dir))))
    (make-instance 'jsonrpc-process-connection
                   :name "byokd"
                   :process (make-process :name "byokd" :command command :noquery t
                                          :connection-type 'pipe :coding 'utf-8-emacs-unix
                                          :stderr (get-buffer-create "*byokd stderr*"))
                   :events-buffer-scrollback-size 0 ; a log of messages would hold the key
                   :notification-dispatcher #'byokd-show
                   :request-dispatcher
                   (lambda (&rest _) (jsonrpc-error :code -32601 :message "not supported")))))

(defun byokd-call (connection method &rest params)
  "Send METHOD with PARAMS over CONNECTION and return the result."
  (condition-case failure
      (jsonrpc-request connection method (or params (make-hash-table)) :timeout byokd-wait)
    (jsonrpc-error
     (error "%s" (or (plist-get (alist-get 'jsonrpc-error-data (cdr failure)) :userMessage)
                     failure)))))

(defun byokd-ask (connection key base-url model)
  "Store KEY for BASE-URL over CONNECTION and ask MODEL one question."
  (byokd-call connection 'initialize :processId (emacs-pid) :capabilities (make-hash-table))
  (jsonrpc-notify connection 'initialized (make-hash-table))
  (princ (format "%d providers\n"
                 (length (plist-get (byokd-call connection 'provider/list) :items))))
  ;; A real client leaves this out: the first key/store makes a vault in the OS keyring.
  (byokd-call connection 'vault/initialize :protection "keyFile" :acceptRisk "keyFile")
  ;; A client that can seal the key does: see "Secrets and sealing" in protocol.md.
  (let ((stored (byokd-call connection 'key/store :provider byokd-provider :baseUrl base-url
                            :fields (list :apiKey (list :plain key)))))
    (princ (format "%s\n" (plist-get (plist-get stored :probe) :message))))
  (let ((result (byokd-call connection 'chat/send
                            :streamId "1" :provider byokd-provider :model model
                            :messages [(:role "user" :content "Hello from Emacs")])))
    (princ (format "\n%d tokens of text\n"
                   (plist-get (plist-get result :usage) :outputText)))))

(defun byokd-main (base-url model)
  "Ask MODEL at BASE-URL one question, with a vault that lasts as long as this program."
  (let* ((key (read-passwd "API key: "))
         (data-dir (make-temp-file "byokd" t))
         (connection (byokd-start data-dir))
         (process (jsonrpc--process connection)))
    (unwind-protect
        (byokd-ask connection key base-url model)
      (byokd-call connection 'shutdown)
      (jsonrpc-notify connection 'exit nil)
      (while (process-live-p process) (accept-process-output process 0.1))
      (delete-directory data-dir t))))

(when noninteractive
  (setq backtrace-on-error-noninteractive nil) ; a backtrace would print the key
  (apply #'byokd-main command-line-args-left))
