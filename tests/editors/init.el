;;; init.el --- The settings of the Emacs under test  -*- lexical-binding: t; -*-
(add-to-list 'load-path (getenv "BYOKD_PLUGIN"))
(require 'byokd)
;; nothing may have a key even so
(setq debug-on-error t
      debug-ignored-errors nil
      message-log-max t)
(defun save-all-buffers ()
  "Write what all buffers have into a file."
  (interactive)
  (write-region (mapconcat (lambda (buffer)
                             (with-current-buffer buffer (buffer-string)))
                           (buffer-list) "\n")
                nil "~/all-buffers"))
(setq byokd-command (append (json-parse-string (getenv "BYOKD_COMMAND")) nil)
      byokd-params '(:reasoning (:effort "low"))
      byokd-tools
      '(("weather"
         (lambda (arguments)
           (concat "4 degrees and rain in " (plist-get arguments :city)))
         :description "The weather in a city"
         :inputSchema ( :type "object" :properties (:city (:type "string"))
                        :required ["city"]))))
