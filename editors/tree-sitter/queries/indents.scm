[(block) (settings) (record_type) (enum_body) (connector_body) (test_body) (match) (record) (list) (arguments) (parameters)] @indent
["}" "]" ")"] @outdent
