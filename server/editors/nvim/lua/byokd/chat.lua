-- Chats in a buffer, and answers in a file. What is sent is kept beside a chat's text, with its state.
local daemon, keys = require('byokd.daemon'), require('byokd.keys')
local M = { commands = {} }

local YOU, ASIDE = '## You', '┊ ' -- thoughts and results of tools are aside, and folded
local WRITE = 'Write text for a file. Answer with that text alone: no explanation, no code fence.'
local SPACE = vim.api.nvim_create_namespace('byokd')
local chats = {} -- by buffer: the messages that were answered
local running = {} -- by buffer: { show, cancel } of the answer that is coming

daemon.handlers['chat/events'] = function(_, params)
  local answer = running[tonumber(params.streamId)]
  for _, event in ipairs(answer and params.events or {}) do answer.show(event) end
end

--- Send messages for a buffer. `show` gets the events, and `done` the error or the result.
local function send(buf, messages, tools, show, done)
  if running[buf] then error('an answer is still coming (:Byokd stop)', 0) end
  local params, effort = keys.model_params(), require('byokd').options.effort
  params.streamId, params.messages = tostring(buf), messages
  params.tools, params.reasoning = tools[1] and tools, effort and { effort = effort }
  running[buf] = { show = show, cancel = daemon.send('chat/send', params, function(err, result)
    running[buf] = nil
    if vim.api.nvim_buf_is_loaded(buf) then done(err, result) end
  end) }
end

function M.commands.stop(call) return running[call.buf] and running[call.buf].cancel() end

--- Write at the end of a chat and show `state` in its bar; a cursor that is at the end moves along.
local function put(buf, text, state)
  local last = vim.api.nvim_buf_line_count(buf)
  local function at_end(window) return vim.api.nvim_win_get_cursor(window)[1] == last end
  local following = vim.tbl_filter(at_end, vim.fn.win_findbuf(buf))
  local lines = vim.split(vim.api.nvim_buf_get_lines(buf, -2, -1, false)[1] .. text, '\n')
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_lines(buf, -2, -1, false, lines)
  vim.bo[buf].modifiable = not running[buf]
  local place = { last + #lines - 1, #lines[#lines] }
  for _, window in ipairs(following) do vim.api.nvim_win_set_cursor(window, place) end
  vim.b[buf].byokd_state = state or vim.b[buf].byokd_state
end

local function aside(text) return (text:gsub('\n', '\n' .. ASIDE)) end

local TEXTS = { -- what an event adds to a chat
  textStart = function() return '\n\n' end,
  textDelta = function(event) return event.delta end,
  reasoningStart = function() return '\n' .. aside('\nThinking\n') end,
  reasoningDelta = function(event) return aside(event.delta) end,
  citation = function(event) return '\n- ' .. (event.source.url or event.source.title or '') end,
}

--- Run the tool that a model calls, if the user allows it; return the part with its result.
local function run_tool(buf, call)
  local tool = require('byokd').options.tools[call.name]
  local ok, text = false, tool and 'the user refused this call' or 'there is no such tool'
  local asked = call.name .. ' ' .. (call.rawArguments or vim.json.encode(call.arguments))
  put(buf, '\n\n→ ' .. asked)
  vim.cmd.redraw() -- what led to the call is to be seen beside the question
  if tool and vim.fn.confirm('Run ' .. asked .. '?', '&Run\n&No', 2) == 1 then
    ok, text = pcall(tool.run, call.arguments)
  end
  put(buf, aside(('\n%s\n%s'):format(ok and 'Result' or 'Failed', text)))
  return { type = 'toolResult', callId = call.callId, content = tostring(text), isError = not ok }
end

--- Send a chat, and the results of the tools that the model calls, until it has answered.
local function converse(buf, messages, done)
  local tools = {}
  for name, tool in pairs(require('byokd').options.tools) do
    table.insert(tools, { name = name, description = tool.description, inputSchema = tool.inputSchema })
  end
  local function show(event) return TEXTS[event.type] and put(buf, TEXTS[event.type](event)) end
  send(buf, messages, tools, show, function(err, result)
    if err then return done(err) end
    if result.message.content[1] then table.insert(messages, result.message) end
    if result.finishReason.unified ~= 'toolCalls' then return done(nil, result) end
    local calls = vim.tbl_filter(function(part) return part.type == 'toolCall' end, result.message.content)
    local results = vim.tbl_map(function(call) return run_tool(buf, call) end, calls)
    table.insert(messages, { role = 'tool', content = results })
    converse(buf, messages, done)
  end)
end

--- Send what stands under the last heading. What was not answered can be sent again.
function M.commands.send(call)
  local buf, model = call.buf, keys.model_params().model
  local text = table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), '\n')
  text = vim.trim(text:match('.*' .. YOU .. '\n(.*)') or '')
  if running[buf] or not chats[buf] or text == '' then error('there is nothing to send', 0) end
  local messages = vim.list_extend(vim.list_slice(chats[buf]), { { role = 'user', content = text } })
  put(buf, '\n\n## ' .. model, 'answering, <C-c> stops')
  converse(buf, messages, function(err, result)
    local answered = messages[#messages].role == 'assistant'
    if answered then chats[buf] = messages end
    if err then put(buf, '\n\n> ' .. daemon.describe(err)) end
    put(buf, ('\n\n%s\n\n%s'):format(YOU, answered and '' or text), err and 'failed' or result.finishReason.unified)
  end)
end

--- Open a chat with the text of a command and the lines of its range, and send the text.
function M.commands.chat(call)
  local quoted, system = ('\n\n```%s\n%s\n```'):format(vim.bo.filetype, call.lines), require('byokd').options.system
  vim.cmd.new()
  local buf = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_name(buf, 'byokd://' .. buf)
  vim.bo.filetype = 'byokd' -- see ftplugin/byokd.vim
  chats[buf] = system and { { role = 'system', content = system } } or {}
  put(buf, YOU .. '\n\n' .. vim.trim(call.text .. (call.range > 0 and quoted or '')), '<CR> sends')
  if call.text ~= '' then M.commands.send({ buf = buf }) end
end

--- Write the answer to an instruction below the lines of the range, or in their place.
local function write(call, in_place)
  local buf, first, last = call.buf, call.line1 - 1, call.line2
  local question = call.text .. (call.range > 0 and '\n\nThe selected text:\n' .. call.lines or '')
  local messages = { { role = 'system', content = WRITE }, { role = 'user', content = question } }
  local place = { end_row = last, hl_group = 'DiffText', virt_text = { { ' :Byokd stop stops', 'Comment' } } }
  local answer, mark = '', vim.api.nvim_buf_set_extmark(buf, SPACE, in_place and first or last, 0, place)
  local function collect(event) answer = answer .. (event.type == 'textDelta' and event.delta or '') end
  send(buf, messages, {}, collect, function(err, result)
    local at = vim.api.nvim_buf_get_extmark_by_id(buf, SPACE, mark, { details = true })
    vim.api.nvim_buf_del_extmark(buf, SPACE, mark)
    if err then return daemon.try(error, err, 0) end
    if result.finishReason.unified == 'cancelled' then return end
    answer = answer:match('^%s*```[^\n]*\n(.-)\n?```%s*$') or answer -- some models add a fence all the same
    vim.api.nvim_buf_set_lines(buf, at[1], at[3].end_row, false, vim.split(answer, '\n'))
  end)
end

function M.commands.insert(call) write(call, false) end
function M.commands.replace(call) write(call, true) end
return M
