-- A session as a person has it, without a screen: nvim --clean --headless -l is newer than some, so: -c 'luafile test.lua'.

local function fail(message)
  io.stderr:write(message .. '\n')
  vim.cmd('cquit 1')
end

local function eventually(what, holds)
  if not vim.wait(60000, holds, 20) then
    fail('did not happen: ' .. what)
  end
end

local function session()
  vim.g.pmflow_path = vim.env.PMFLOW
  dofile(vim.env.PMFLOW_NEOVIM .. '/pmflow.lua')

  local folder = vim.fn.tempname()
  vim.fn.mkdir(folder, 'p')
  vim.fn.writefile({ 'fn one() -> int = 1' }, folder .. '/shared.pmflow')
  vim.fn.writefile({
    'import "./shared.pmflow"',
    '',
    'type Lead {',
    '  email: text',
    '}',
    '',
    'flow f(lead: Lead) {',
    '  let number = shared.one()',
    '  output lead.emial',
    '}',
  }, folder .. '/main.pmflow')
  vim.cmd('edit ' .. folder .. '/main.pmflow')
  local problems = function()
    return vim.diagnostic.get(0, { severity = vim.diagnostic.severity.ERROR })
  end

  -- Diagnostics are read.
  eventually('a problem is shown', function() return #problems() == 1 end)
  assert(problems()[1].lnum == 8 and problems()[1].code == 'E0106', vim.inspect(problems()))

  -- A fix is applied.
  local request = function(method, params)
    local answers = vim.lsp.buf_request_sync(0, method, params, 60000)
    for _, answer in pairs(answers or {}) do
      if answer.error then fail(method .. ': ' .. vim.inspect(answer.error)) end
      return answer.result
    end
    fail(method .. ' has no answer')
  end
  vim.api.nvim_win_set_cursor(0, { 9, 15 })
  local at = vim.lsp.util.make_range_params()
  at.context = { diagnostics = {} }
  local action = request('textDocument/codeAction', at)[1]
  vim.lsp.util.apply_workspace_edit(action.edit, 'utf-16')
  assert(vim.fn.getline(9) == '  output lead.email', vim.fn.getline(9))
  eventually('the problem is gone', function() return #problems() == 0 end)

  -- An edit, and completion in what is half-written.
  vim.fn.append(9, '  output lead.')
  vim.api.nvim_win_set_cursor(0, { 10, 14 })
  local params = vim.lsp.util.make_position_params()
  params.position = { line = 9, character = 14 }
  local offered = vim.tbl_map(function(item) return item.label end, request('textDocument/completion', params).items)
  assert(vim.tbl_contains(offered, 'email'), vim.inspect(offered))
  vim.fn.setline(10, '  output lead.email')

  -- A rename goes into the other file.
  params.position = { line = 7, character = 23 }
  params.newName = 'uno'
  vim.lsp.util.apply_workspace_edit(request('textDocument/rename', params), 'utf-16')
  assert(vim.fn.getline(8) == '  let number = shared.uno()', vim.fn.getline(8))
  local other = vim.uri_to_bufnr(vim.uri_from_fname(folder .. '/shared.pmflow'))
  assert(vim.api.nvim_buf_get_lines(other, 0, 1, false)[1] == 'fn uno() -> int = 1')

  -- The layout, and a hover.
  vim.fn.setline(8, '  let   number=shared.uno()')
  vim.lsp.buf.formatting_sync({}, 60000)
  assert(vim.fn.getline(8) == '  let number = shared.uno()', vim.fn.getline(8))
  params.position = { line = 6, character = 8 }
  assert(request('textDocument/hover', params).contents.value:find('lead: Lead'))
end

-- An error would leave an editor behind that waits for keys.
local went_well, problem = xpcall(session, debug.traceback)
if not went_well then fail(problem) end
io.stdout:write('neovim: read, mended, completed, renamed, laid out\n')
vim.cmd('qall!')
