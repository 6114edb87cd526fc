(comment) @comment
(doc_comment) @comment.documentation
(string) @string
(escape) @string.escape
(pattern) @string.regex
(number) @number
(boolean) @boolean
(none) @constant.builtin

["import" "type" "enum" "model" "prompt" "fn" "connector" "budget" "flow" "test" "source" "action" "example" "trusted" "let" "do"
 "set" "if" "then" "else" "match" "for" "in" "key" "repeat" "up" "to" "while" "parallel" "wait" "until" "approve" "by" "timeout"
 "output" "tagged" "fail" "yield" "likely" "limit" "expect" "cache" "was" "retry" "backoff" "on" "given" "run" "called" "once"
 "never" "times" "max" "matches" "as"] @keyword
["and" "or" "not"] @keyword.operator
(stop) @keyword
(template_end) @keyword
["->" "=>" "==" "!=" "<=" ">=" "<" ">" "+" "-" "*" "/" "%" "??" "?." ".."] @operator
["{" "}" "[" "]" "(" ")"] @punctuation.bracket
["{{" "}}"] @punctuation.special

(label) @property
(field name: (label) @variable.member)
(member name: (identifier) @variable.member)
(named_type (path (identifier) @type))
(type_item name: (identifier) @type)
(enum_item name: (identifier) @type)
(enum_member (identifier) @constant)
(enum_value (identifier) @constant)
(prompt_item name: (identifier) @function)
(function_item name: (identifier) @function)
(flow_item name: (identifier) @function)
(operation name: (identifier) @function.method)
(connector_item name: (identifier) @module)
(model_item name: (identifier) @constant)
(budget_item name: (identifier) @constant)
(call function: (identifier) @function.call)
(call function: (member name: (identifier) @function.method.call))
(parameter name: (label) @variable.parameter)
