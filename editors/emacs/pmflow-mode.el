;;; pmflow-mode.el --- AI workflows with types and costs -*- lexical-binding: t; -*-

;; Needs Emacs 26.3 and Eglot (part of Emacs since 29; the package `eglot' before).

;;; Commentary:

;; (require 'pmflow-mode) and open a .pmflow file: `pmflow lsp' does the rest.

;;; Code:

(defgroup pmflow nil "AI workflows with types and costs." :group 'languages)

(defcustom pmflow-path "pmflow"
  "The pmflow binary."
  :type 'string)

(defconst pmflow--keywords
  '("import" "type" "enum" "model" "prompt" "fn" "connector" "budget" "flow" "test" "source" "action" "let" "do" "if" "then"
    "else" "match" "for" "in" "repeat" "while" "set" "parallel" "wait" "until" "approve" "output" "tagged" "fail" "stop"
    "yield" "given" "run" "expect" "retry" "timeout" "and" "or" "not" "as"))

(defconst pmflow--font-lock
  `((,(concat "\\_<" (regexp-opt pmflow--keywords) "\\_>") . font-lock-keyword-face)
    ("\\_<\\(true\\|false\\|none\\)\\_>" . font-lock-constant-face)
    ("\\_<\\(text\\|int\\|float\\|bool\\|money\\|date\\|datetime\\|duration\\|json\\|secret\\)\\_>" . font-lock-type-face)
    ("\\_<\\(?:type\\|enum\\|model\\|prompt\\|fn\\|connector\\|budget\\|flow\\)[ \t]+\\(\\(?:\\sw\\|\\s_\\)+\\)"
     1 font-lock-function-name-face)))

(defvar pmflow-mode-syntax-table
  (let ((table (make-syntax-table)))
    (modify-syntax-entry ?/ ". 12" table)
    (modify-syntax-entry ?\n ">" table)
    (modify-syntax-entry ?_ "_" table)
    table))

(defun pmflow--indent-line ()
  "Indent by the brackets that are open; the server lays out the rest."
  (let* ((closes (save-excursion (back-to-indentation) (looking-at "[])}]")))
         (depth (car (syntax-ppss (line-beginning-position))))
         (column (* 2 (max 0 (- depth (if closes 1 0))))))
    (save-excursion (indent-line-to column))
    (when (< (current-column) column) (back-to-indentation))))

;;;###autoload
(define-derived-mode pmflow-mode prog-mode "pmflow"
  "For .pmflow files."
  (setq-local font-lock-defaults '(pmflow--font-lock)
              comment-start "// "
              comment-start-skip "//+[ \t]*"
              indent-tabs-mode nil
              indent-line-function #'pmflow--indent-line))

;;;###autoload
(add-to-list 'auto-mode-alist '("\\.pmflow\\'" . pmflow-mode))

(declare-function eglot-ensure "eglot")
(declare-function eglot-current-server "eglot")
(declare-function jsonrpc-request "jsonrpc")
(defvar eglot-server-programs)

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs `(pmflow-mode . (,pmflow-path "lsp"))))

(add-hook 'pmflow-mode-hook #'eglot-ensure)

(defun pmflow--show (command name)
  "Show the text that COMMAND of the server gives for NAME."
  (let ((answer (jsonrpc-request (eglot-current-server) :workspace/executeCommand
                                 (list :command command
                                       :arguments (vector (concat "file://" buffer-file-name) name)))))
    (with-current-buffer (get-buffer-create (format "*pmflow %s*" name))
      (erase-buffer)
      (insert (plist-get answer :text))
      (goto-char (point-min))
      (display-buffer (current-buffer)))))

(defun pmflow-preview-prompt (name)
  "Show the prompt NAME as a model would see it."
  (interactive "sPrompt: ")
  (pmflow--show "pmflow.previewPrompt" name))

(defun pmflow-show-cost (name)
  "Show what the flow NAME costs."
  (interactive "sFlow: ")
  (pmflow--show "pmflow.showCost" name))

(provide 'pmflow-mode)
;;; pmflow-mode.el ends here
