-- How a lease is kept, and what everybody may know of it. Package rooms reads leases by this too.
--
--   base .. 'lease:' .. room   hash: room, state, uid, user (JSON), connection, node, life, fence, seen, and on air also
--                              broadcast (its id), title, category, language, tags (JSON each), started, version,
--                              window, ends, reason. handed: ms for which it waits, from the handover of its node until somebody claims it.
--                              under: the epoch in which it was written. hearsay: it was put back by a node that does
--                              not hold it, which had read the log up to this seq. replaced: see lease.lua.
--
-- JSON is put together from pieces that Go has encoded; nothing here parses any.

local function read_lease(room)
  local l = { room = room, state = 'offline' }
  local flat = redis.call('HGETALL', base .. 'lease:' .. room)
  for i = 1, #flat, 2 do l[flat[i]] = flat[i + 1] end
  if l.under ~= epoch then l.replaced = nil end -- they may have gone since, and that was lost
  return l
end

-- broadcast_of and view_of are the JSON of presence.Broadcast and presence.View.
local function broadcast_of(l)
  local json = '{"id":"' .. l.broadcast .. '"'
  for _, field in ipairs({ 'title', 'category', 'language', 'tags' }) do
    if (l[field] or '') ~= '' then json = json .. ',"' .. field .. '":' .. l[field] end
  end
  return json .. ',"started_at":' .. l.started .. ',"version":' .. l.version .. '}'
end

local function view_of(l)
  if l.state == 'offline' then return '{"state":"offline"}' end
  local json = '{"state":"' .. l.state .. '","user":' .. l.user
  if l.broadcast then json = json .. ',"broadcast":' .. broadcast_of(l) end
  if l.ends then json = json .. ',"until":' .. l.ends end
  if l.reason then json = json .. ',"reason":"' .. l.reason .. '"' end
  return json .. '}'
end
