-- What a person does in Neovim with its own LSP client, without the person: prints what they would see, as JSON.
-- LAPSTRAKE is the program; the working directory has the folder `context`.

local function await(what, condition)
  if not vim.wait(120000, condition, 10) then
    error('waited in vain for ' .. what)
  end
end

local function request(method, params)
  local answers = vim.lsp.buf_request_sync(0, method, params, 120000)
  for _, answer in pairs(answers or {}) do
    if answer.error then
      error(method .. ': ' .. vim.inspect(answer.error))
    end
    return answer.result
  end
  error(method .. ': no answer')
end

local function diagnostics()
  local found = {}
  for _, item in ipairs(vim.diagnostic.get(0)) do
    table.insert(found, { line = item.lnum, column = item.col, stop = item.end_col, severity = item.severity,
      source = item.source, message = item.message })
  end
  return found
end

-- The cursor: a line from 1, a byte from 0.
local function at(line, column)
  vim.api.nvim_win_set_cursor(0, { line, column })
  return vim.lsp.util.make_position_params(0, 'utf-16')
end

local function script()
  local out = {}
  vim.cmd('edit context/Dockerfile')
  local root = vim.fn.getcwd() .. '/context'
  local client = vim.lsp.start_client({ name = 'lapstrake', cmd = { vim.env.LAPSTRAKE, 'lsp' }, root_dir = root })
  vim.lsp.buf_attach_client(0, client)
  await('the first diagnostics', function() return #vim.diagnostic.get(0) > 0 end)
  out.first = diagnostics()

  -- Typing; the client sends what changed.
  vim.api.nvim_buf_set_text(0, 2, 0, 2, 3, { 'RUN' })
  await('no diagnostics', function() return #vim.diagnostic.get(0) == 0 end)

  out.hover = request('textDocument/hover', at(3, 1)).contents.value
  out.variable = request('textDocument/hover', at(3, 18)).contents.value

  vim.api.nvim_buf_set_lines(0, -1, -1, false, { 'WOR' })
  -- Behind the last character, where only somebody who writes can be.
  local here = at(4, 2)
  here.position.character = 3
  local found = request('textDocument/completion', here)
  out.completions = vim.lsp.util.text_document_completion_list_to_complete_items(found, 'WOR')
  local first = found.items and found.items[1] or found[1]
  vim.lsp.util.apply_text_edits({ first.textEdit }, 0, 'utf-16')
  out.taken = vim.api.nvim_buf_get_lines(0, 3, 4, false)[1]

  vim.api.nvim_buf_set_lines(0, 3, 4, false, { 'WORKDIR /x' })
  local symbols = request('textDocument/documentSymbol', { textDocument = vim.lsp.util.make_text_document_params() })
  out.symbols = {}
  for _, item in ipairs(vim.lsp.util.symbols_to_items(symbols, 0)) do
    table.insert(out.symbols, item.text)
  end
  vim.lsp.stop_client(client)
  await('the end of the server', function() return vim.lsp.client_is_stopped(client) end)
  return out
end

local well, out = pcall(script)
io.stdout:write(vim.json.encode(well and out or { error = tostring(out) }))
vim.cmd(well and 'qall!' or 'cquit')
