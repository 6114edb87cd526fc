-- pmflow for Neovim 0.7 and later, without a plugin. Put this file into ~/.config/nvim/plugin/.

local M = {}

--- The folder with a `pmflow.toml` or a repository around a file, else the file's own.
local function root_of(file)
  local folder = vim.fn.fnamemodify(file, ':p:h')
  local at = folder
  while true do
    for _, mark in ipairs({ 'pmflow.toml', 'pmflow.lock', '.git' }) do
      if vim.fn.filereadable(at .. '/' .. mark) == 1 or vim.fn.isdirectory(at .. '/' .. mark) == 1 then
        return at
      end
    end
    local above = vim.fn.fnamemodify(at, ':h')
    if above == at then
      return folder
    end
    at = above
  end
end

local clients = {}

local function start(buffer)
  local root = root_of(vim.api.nvim_buf_get_name(buffer))
  clients[root] = clients[root]
    or vim.lsp.start_client({
      name = 'pmflow',
      cmd = { vim.g.pmflow_path or 'pmflow', 'lsp' },
      root_dir = root,
      workspace_folders = { { uri = vim.uri_from_fname(root), name = root } },
    })
  vim.lsp.buf_attach_client(buffer, clients[root])
  vim.bo[buffer].omnifunc = 'v:lua.vim.lsp.omnifunc'
  vim.bo[buffer].commentstring = '// %s'
end

--- A text of the server, in a window beside.
function M.show(command, name)
  local arguments = { vim.uri_from_bufnr(0), name }
  vim.lsp.buf_request(0, 'workspace/executeCommand', { command = command, arguments = arguments }, function(problem, answer)
    if problem then
      return vim.notify(problem.message, vim.log.levels.WARN)
    end
    vim.cmd('vnew')
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.filetype = 'nofile', 'wipe', answer.language
    vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split(answer.text, '\n'))
  end)
end

-- What the lenses above flows and prompts run.
for _, command in ipairs({ 'pmflow.previewPrompt', 'pmflow.showCost' }) do
  vim.lsp.commands[command] = function(lens)
    M.show(lens.command, lens.arguments[2])
  end
end

local group = vim.api.nvim_create_augroup('pmflow', {})
vim.api.nvim_create_autocmd({ 'BufRead', 'BufNewFile' }, {
  group = group,
  pattern = '*.pmflow',
  callback = function(event)
    vim.bo[event.buf].filetype = 'pmflow'
  end,
})
vim.api.nvim_create_autocmd('FileType', {
  group = group,
  pattern = 'pmflow',
  callback = function(event)
    start(event.buf)
  end,
})

pmflow = M
return M
