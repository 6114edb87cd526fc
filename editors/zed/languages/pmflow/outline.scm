(type_item "type" @context name: (identifier) @name) @item
(enum_item "enum" @context name: (identifier) @name) @item
(model_item "model" @context name: (identifier) @name) @item
(prompt_item "prompt" @context name: (identifier) @name) @item
(function_item "fn" @context name: (identifier) @name) @item
(connector_item "connector" @context name: (identifier) @name) @item
(operation ["source" "action"] @context name: (identifier) @name) @item
(budget_item "budget" @context name: (identifier) @name) @item
(flow_item "flow" @context name: (identifier) @name) @item
