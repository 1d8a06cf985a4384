" The window of a chat: thoughts and results of tools are folded.
setlocal buftype=nofile bufhidden=hide noswapfile syntax=markdown linebreak
setlocal foldmethod=expr foldexpr=getline(v:lnum)=~'^┊' foldlevel=0 foldminlines=0 fillchars=fold:\ 
let &l:foldtext = "'▸ ' .. getline(v:foldstart)[4:] .. ', ' .. (v:foldend - v:foldstart) .. ' more'"
let &l:winbar = " %{get(g:, 'BYOKD_MODEL', 'no model')}%=%{get(b:, 'byokd_state', '')} "
nnoremap <buffer> <CR> <Cmd>Byokd send<CR>
inoremap <buffer> <C-s> <Cmd>Byokd send<CR>
nnoremap <buffer> <C-c> <Cmd>Byokd stop<CR>
