[(flow_item) (prompt_item) (function_item) (operation) (block) (for) (lambda)] @local.scope
(parameter name: (label) @local.definition)
(let name: (identifier) @local.definition)
(source name: (identifier) @local.definition)
(for variable: (identifier) @local.definition)
(lambda (identifier) @local.definition)
(identifier) @local.reference
