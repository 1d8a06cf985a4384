;;; init.el --- The settings of the Emacs under test  -*- lexical-binding: t; -*-
(add-to-list 'load-path (getenv "BYOKD_PLUGIN"))
(require 'byokd)
(setq byokd-command (append (json-parse-string (getenv "BYOKD_COMMAND")) nil)
      byokd-effort "low"
      byokd-tools
      '(((lambda (arguments) (concat "4 degrees and rain in " (plist-get arguments :city)))
         :name "weather" :description "The weather in a city"
         :inputSchema (:type "object" :properties (:city (:type "string")) :required ["city"]))))
