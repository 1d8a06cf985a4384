-- The daemon, which `vim.lsp` runs, and requests to it.
local M = { handlers = {} } -- `handlers` get what the daemon sends, see |lsp-handler|
local WAIT_MS = 30000
local NEXT_STEP = { promptKey = ':Byokd key', pickModel = ':Byokd model', unlockVault = ':Byokd unlock' }
local VARIABLES = ' HOME USER LOGNAME PATH LANG TZ TMPDIR DISPLAY WAYLAND_DISPLAY XAUTHORITY DBUS_SESSION_BUS_ADDRESS '
  .. 'SECURITYSESSIONID __CF_USER_TEXT_ENCODING CREDENTIALS_DIRECTORY SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT '
  .. 'TEMP TMP USERNAME USERDOMAIN USERPROFILE HOMEDRIVE HOMEPATH APPDATA LOCALAPPDATA PROGRAMDATA '
local client, waiting = nil, {} -- the running daemon, and the functions that wait for a response

--- Return the sentence of an error (a text, or `error.data` of a response), with what to do.
function M.describe(err)
  if type(err) ~= 'table' then return tostring(err) end
  local step = err.action and (NEXT_STEP[err.action.type] or err.action.url)
  return err.userMessage .. (step and ' (' .. step .. ')' or '')
end

function M.say(text, level)
  vim.cmd.redraw() -- a prompt may be there
  vim.notify('byokd: ' .. text, level)
end

--- Call a function and return its result; show its error instead of raising it.
function M.try(run, ...)
  local ok, result = pcall(run, ...)
  if ok then return result end
  M.say(M.describe(result), vim.log.levels.ERROR)
end

--- Return the path of a program, or nil. A relative folder on PATH may be a project's.
local function program(name)
  local folders = vim.split(vim.env.PATH or '', vim.fn.has('win32') == 1 and ';' or ':')
  if name:find('[/\\]') then folders, name = { vim.fn.fnamemodify(name, ':h') }, vim.fs.basename(name) end
  for _, folder in ipairs(folders) do
    local path = vim.fn.exepath(vim.fs.normalize(folder) .. '/' .. name)
    if path ~= '' and (folder:find('^[~/]') or folder:find('^%a:')) then return path end
  end
end

--- Return the command that starts the daemon; or nil and what to do.
function M.find()
  local own = require('byokd').options.command
  local words = type(own) == 'table' and own or { own or 'byokd' }
  local path = program(words[1]) or not own and program('~/.local/bin/byokd')
  if not path then return nil, 'no ' .. words[1] .. ' on PATH or in ~/.local/bin; see :help byokd-daemon' end
  return vim.list_extend({ path }, words, 2)
end

local function on_exit()
  local calls, err = waiting, { userMessage = 'the daemon ended; the next command starts it again' }
  client, waiting = nil, {}
  for done in pairs(calls) do done(err) end
end

--- Return whether the daemon needs a variable; others may be keys.
local function is_needed(name)
  return name:find('^LC_') or name:find('^XDG_') or VARIABLES:find(' ' .. name .. ' ', 1, true)
end

--- Return the running daemon; start it if there is none.
local function connect()
  if client then return client end
  local command, problem = M.find()
  local all = vim.fn.environ() -- `vim.lsp` gives all of them to the daemon
  for name in pairs(all) do vim.env[name] = is_needed(name) and all[name] or nil end
  local ok, id = pcall(vim.fn.has('nvim-0.11') == 1 and vim.lsp.start or vim.lsp.start_client, {
    name = 'byokd',
    cmd = vim.list_extend(command or error(problem, 0), { '--stdio' }),
    cmd_cwd = vim.fn.expand('~'), -- so that no program of the project is started
    init_options = { byokd = { account = require('byokd').options.account, capabilities = { prompt = true } } },
    handlers = M.handlers,
    on_exit = vim.schedule_wrap(on_exit),
  }, { attach = false, reuse_client = function() return false end })
  for name, value in pairs(all) do vim.env[name] = value end
  client = ok and id and vim.lsp.get_client_by_id(id)
  vim.wait(WAIT_MS, function() return not client or client.initialized end, 10)
  return client and client.initialized and client or error('the daemon does not start; see :help lsp-log', 0)
end

--- Send a request. `done` gets its error or nil, and its result. Return a function that cancels it.
function M.send(method, params, done)
  local rpc, log = connect().rpc, require('vim.lsp.log')
  local level = log.get_level()
  log.set_level('OFF') -- the request may have a key
  local _, id = rpc.request(method, params, function(err, result)
    waiting[done] = nil
    done(err and (err.data or { userMessage = err.message }), result)
  end)
  log.set_level(level)
  waiting[done] = true
  return function() rpc.notify('$/cancelRequest', { id = id }) end
end

--- Wait for the result of a request and return it; raise its error. <C-c> ends the waiting.
function M.call(method, params)
  local answer
  local cancel = M.send(method, params or vim.empty_dict(), function(...) answer = { ... } end)
  if not vim.wait(WAIT_MS, function() return answer end, 10) then
    cancel()
    error('no longer waiting for ' .. method, 0)
  end
  return answer[2] or error(answer[1], 0)
end

--- Return the items of a list, from a cursor on.
function M.list(method, cursor)
  local page = M.call(method, { cursor = cursor or vim.NIL })
  return vim.list_extend(page.items, page.nextCursor and M.list(method, page.nextCursor) or {})
end

return M
