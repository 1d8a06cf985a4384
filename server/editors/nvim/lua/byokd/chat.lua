-- Chats in a buffer, and answers that are written into a file. A chat's text is for reading: what is
-- sent is kept beside it, because parts of an answer carry state that the provider needs back.
local keys = require('byokd.keys')
local rpc = require('byokd.rpc')
local M = {}

local YOU, ASIDE = '## You', '┊ ' -- thoughts and results of tools are aside, and folded
local ROUNDS_MAX = 20 -- answers with tool calls in a row, each of which costs money
local EDIT_SYSTEM = 'You write text into a file in an editor. Answer with that text alone: no explanation, no code fence.'
local SPACE = vim.api.nvim_create_namespace('byokd')
local chats = {} -- by buffer: { messages, prompt }; `prompt` is the mark of the last heading
local running = {} -- by buffer: the function that stops its answer
local streams = {} -- by stream id: the function that gets its events
local count = 0

rpc.handlers['chat/events'] = function(params)
  for _, event in ipairs(streams[params.streamId] and params.events or {}) do
    streams[params.streamId](event)
  end
end

--- Send messages to the chosen model for a buffer, from a task; `show` gets the events.
local function send(buf, model, messages, show, tools)
  if running[buf] then error('an answer is still coming; :Byokd stop', 0) end
  count = count + 1
  local id, effort = tostring(count), require('byokd').options.effort
  streams[id], running[buf] = show, function() end
  local params = { streamId = id, provider = model.provider, model = model.id, keyId = model.keyId, messages = messages }
  params.tools = tools and #tools > 0 and tools or nil
  params.reasoning = effort and { effort = effort }
  local result, err = keys.call('chat/send', params, { started = function(cancel) running[buf] = cancel end })
  streams[id], running[buf] = nil, nil
  return result, err
end

function M.stop(buf)
  if not running[buf] then return vim.notify('byokd: nothing is running in this buffer') end
  running[buf]()
end

-- The chat buffer -----------------------------------------------------------------------------

--- Write at the end of a chat; a cursor that is there moves along.
local function put(buf, text)
  if not vim.api.nvim_buf_is_loaded(buf) then return end
  local last = vim.api.nvim_buf_line_count(buf)
  local function at_end(window) return vim.api.nvim_win_get_cursor(window)[1] == last end
  local following = vim.tbl_filter(at_end, vim.fn.win_findbuf(buf))
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_text(buf, last - 1, -1, last - 1, -1, vim.split(text, '\n', { plain = true }))
  vim.bo[buf].modifiable = not running[buf]
  for _, window in ipairs(following) do
    vim.api.nvim_win_set_cursor(window, { vim.api.nvim_buf_line_count(buf), 1000000 })
  end
end

--- Write after an empty line.
local function put_block(buf, text)
  local tail = table.concat(vim.api.nvim_buf_get_lines(buf, -3, -1, false), '\n')
  local empty = tail == '' or tail == '\n'
  put(buf, (empty and '' or tail:match('\n$') and '\n' or '\n\n') .. text)
end

local function aside(text) return (text:gsub('\n', '\n' .. ASIDE)) end

local SHOW = {
  start = function(buf) M.bar(buf, 'answering, <C-c> stops') end,
  retry = function(buf, event) M.bar(buf, 'trying again: ' .. event.kind) end,
  textStart = function(buf) put_block(buf, '') end,
  textDelta = function(buf, event) put(buf, event.delta) end,
  reasoningStart = function(buf) put_block(buf, ASIDE .. aside('Thinking\n')) end,
  reasoningDelta = function(buf, event) put(buf, aside(event.delta)) end,
  toolCallEnd = function(buf, event)
    put_block(buf, ('→ %s %s'):format(event.name, event.rawArguments or vim.json.encode(event.arguments)))
  end,
  citation = function(buf, event)
    put(buf, ('\n- %s <%s>'):format(event.source.title or event.source.document or '', event.source.url or ''))
  end,
}

function M.fold(row) return vim.startswith(vim.fn.getline(row), ASIDE) and 1 or 0 end

function M.fold_text()
  local lines = vim.v.foldend - vim.v.foldstart
  return ('▸ %s, %d line%s'):format(vim.fn.getline(vim.v.foldstart):sub(#ASIDE + 1), lines, lines == 1 and '' or 's')
end

--- Show the model and a state above a chat.
function M.bar(buf, state)
  local model = keys.chosen()
  local bar = ' ' .. (model and keys.name(model) or 'no model: :Byokd model') .. '%=' .. state .. ' '
  for _, window in ipairs(vim.fn.win_findbuf(buf)) do
    vim.wo[window].winbar = bar
  end
end

--- Begin the person's next message, with `text` in it.
local function prompt(buf, text)
  put_block(buf, YOU .. '\n\n')
  local row = vim.api.nvim_buf_line_count(buf) - 3
  chats[buf].prompt = vim.api.nvim_buf_set_extmark(buf, SPACE, row, 0, { id = chats[buf].prompt })
  put(buf, text or '')
end

--- Run the tool that a model calls, if the user allows it; return the part with its result.
local function run_tool(buf, call)
  local tool = vim.tbl_filter(function(each) return each.name == call.name end, require('byokd').options.tools)[1]
  local question = ('The model calls %s %s'):format(call.name, vim.json.encode(call.arguments))
  local allowed = tool and (tool.confirm == false or keys.select({ 'Run', 'Refuse' }, question) == 'Run')
  local ok, text = false, tool and 'the user refused this call' or 'there is no such tool'
  if allowed then
    ok, text = pcall(tool.run, call.arguments)
  end
  put(buf, '\n' .. ASIDE .. aside((ok and 'Result\n' or 'Failed\n') .. tostring(text)))
  return { type = 'toolResult', callId = call.callId, content = tostring(text), isError = not ok }
end

local function declared(tool) return { name = tool.name, description = tool.description, inputSchema = tool.inputSchema } end

--- Send a chat, and the results of the tools that the model calls, until it has answered.
local function converse(buf, model, messages)
  local tools = vim.tbl_map(declared, require('byokd').options.tools)
  local function show(event) return SHOW[event.type] and SHOW[event.type](buf, event) end
  for _ = 1, ROUNDS_MAX do
    M.bar(buf, 'waiting, <C-c> stops')
    local result, err = send(buf, model, messages, show, tools)
    if err then return nil, err end
    if #result.message.content > 0 then table.insert(messages, result.message) end
    if result.finishReason.unified ~= 'toolCalls' then return result end
    local calls = vim.tbl_filter(function(part) return part.type == 'toolCall' end, result.message.content)
    local results = vim.tbl_map(function(call) return run_tool(buf, call) end, calls)
    table.insert(messages, { role = 'tool', content = results })
  end
  return nil, { userMessage = ('stopped after %d rounds of tool calls'):format(ROUNDS_MAX) }
end

--- Return how an answer ended, its tokens if they are known, and its cost if that is.
local function summary(result)
  local facts, cost = { result.finishReason.unified }, result.cost
  local usage = result.usage
  if usage and not usage.partial then
    local input = usage.inputFresh + usage.inputCacheRead + usage.inputCacheWrite
    table.insert(facts, ('%d tokens in, %d out'):format(input, usage.outputText + usage.outputReasoning))
  end
  if cost and cost.amount then table.insert(facts, cost.amount .. ' ' .. cost.currency) end
  return table.concat(facts, ', ')
end

--- Send what stands under the last heading, from a task. What was not answered can be sent again.
local function submit(buf)
  local chat, model = chats[buf], keys.chosen() or keys.choose()
  local row = vim.api.nvim_buf_get_extmark_by_id(buf, SPACE, chat.prompt, {})[1]
  local text = vim.trim(table.concat(vim.api.nvim_buf_get_lines(buf, row + 1, -1, false), '\n'))
  if not model or running[buf] or text == '' then return end
  local messages = vim.list_slice(chat.messages)
  table.insert(messages, { role = 'user', content = text })
  put_block(buf, '## ' .. model.id .. '\n\n')
  local result, err = converse(buf, model, messages)
  if not vim.api.nvim_buf_is_loaded(buf) then return end
  local answered = result and messages[#messages].role == 'assistant'
  if answered then chat.messages = messages end
  if err then put_block(buf, '> ' .. rpc.describe(err)) end
  prompt(buf, not answered and text or nil)
  M.bar(buf, result and summary(result) or 'failed')
end

--- Open a chat with the text of a command and the lines of its range, and send the text.
function M.open(call)
  local quoted, system = {}, require('byokd').options.system
  if call.range > 0 then
    quoted = vim.api.nvim_buf_get_lines(call.buf, call.line1 - 1, call.line2, false)
    quoted = vim.list_extend({ '', '```' .. vim.bo[call.buf].filetype }, vim.list_extend(quoted, { '```' }))
  end
  vim.cmd.new()
  local buf = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_name(buf, 'byokd://' .. buf)
  for name, value in pairs({ buftype = 'nofile', swapfile = false, bufhidden = 'hide', filetype = 'byokd', syntax = 'markdown' }) do
    vim.bo[buf][name] = value
  end
  local fold = "v:lua.require'byokd.chat'."
  local options = { foldmethod = 'expr', foldexpr = fold .. 'fold(v:lnum)', foldtext = fold .. 'fold_text()', foldlevel = 0 }
  for name, value in pairs(vim.tbl_extend('error', options, { foldminlines = 0, wrap = true, linebreak = true, fillchars = 'fold: ' })) do
    vim.wo[name] = value
  end
  chats[buf] = { messages = system and { { role = 'system', content = system } } or {} }
  for key, map in pairs({ ['<CR>'] = { 'n', submit }, ['<C-s>'] = { { 'n', 'i' }, submit }, ['<C-c>'] = { 'n', M.stop } }) do
    vim.keymap.set(map[1], key, function() rpc.go(function() map[2](buf) end) end, { buffer = buf })
  end
  prompt(buf, vim.trim(call.text .. '\n' .. table.concat(quoted, '\n')))
  M.bar(buf, '<CR> sends')
  if call.text ~= '' then submit(buf) end
end

-- Text in a file ------------------------------------------------------------------------------

--- Return the start and the end of the selection: whole lines, or the characters of a `v` selection.
local function selection(call)
  local from, to = vim.api.nvim_buf_get_mark(call.buf, '<'), vim.api.nvim_buf_get_mark(call.buf, '>')
  local last = vim.fn.getline(call.line2)
  if vim.fn.visualmode() == 'v' and from[1] == call.line1 and to[1] == call.line2 and call.range == 2 then
    return from[1] - 1, from[2], to[1] - 1, math.min(#last, to[2] + #vim.fn.matchstr(last, '.', to[2]))
  end
  return call.line1 - 1, 0, call.line2 - 1, #last
end

--- Write an answer after the selection, or in its place, as it comes; together it is one step of undo.
function M.edit(call, replace)
  if call.text == '' then error('say what to write, such as :Byokd insert a licence header', 0) end
  local buf, question, model = call.buf, call.text, keys.chosen() or keys.choose()
  local row, column, end_row, end_column = selection(call)
  if call.range > 0 then
    local text = vim.api.nvim_buf_get_text(buf, row, column, end_row, end_column, {})
    question = question .. '\n\nThe selected text:\n' .. table.concat(text, '\n')
  end
  if not replace then row, column = end_row, end_column end
  local before, answer = (not replace and column > 0) and '\n' or '', ''
  local mark = vim.api.nvim_buf_set_extmark(buf, SPACE, row, column, {
    end_row = end_row, end_col = end_column, right_gravity = false, end_right_gravity = true, hl_group = 'DiffText',
  })
  local function write(text)
    local at = vim.api.nvim_buf_get_extmark_by_id(buf, SPACE, mark, { details = true })
    vim.api.nvim_buf_call(buf, function()
      if answer ~= '' then pcall(vim.cmd.undojoin) end
      vim.api.nvim_buf_set_text(buf, at[1], at[2], at[3].end_row, at[3].end_col, vim.split(before .. text, '\n'))
    end)
    answer = text
  end
  local messages = { { role = 'system', content = EDIT_SYSTEM }, { role = 'user', content = question } }
  vim.notify('byokd: writing; :Byokd stop stops')
  local _, err = send(buf, model, messages, function(event)
    if event.type == 'textDelta' then write(answer .. event.delta) end
  end)
  local fenced = answer:match('^%s*```[^\n]*\n(.-)\n?```%s*$') -- some models add a fence all the same
  if fenced then write(fenced) end
  vim.api.nvim_buf_del_extmark(buf, SPACE, mark)
  if err then error(err, 0) end
end

return M
