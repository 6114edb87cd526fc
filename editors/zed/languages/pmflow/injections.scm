; What a model reads is Markdown more often than not.
((setting
  name: (label) @_name
  (phrase (string (text) @injection.content)))
 (#match? @_name "^(system|user|assistant)")
 (#set! injection.language "markdown"))
((pattern) @injection.content
 (#set! injection.language "regex"))
