-- Apply: moves transitions that no room was told of yet into their rooms, each once, whoever calls how often.
-- KEYS[1] presence's log of the partition, [2] presence's hash of its followers. ARGV[7] our name among them, whose
-- position is the cursor, [8] how many to move at most. Returns ok and how many were moved.
local name, most = ARGV[7], ARGV[8]

-- What an earlier epoch left in the log is in no room's view any more: rooms begin anew.
local first = redis.call('HGET', partition_key, 'first') or '0'
local cursor = redis.call('HGET', KEYS[2], name) or '0'
if tonumber(cursor) < tonumber(first) then cursor = first end

local function tell(seq, t)
  if t.kind == 'lease.moved' then return end -- who holds it is nothing that a room is told
  local _, new = open_room(t.room)
  if new then say_anew(t.room) end
  local after, view = unpack(redis.call('HMGET', base .. 'room:' .. t.room, 'after', 'view'))
  if seq <= tonumber(after) then return end -- the room began with this
  if t.kind == 'lease.restored' then
    if view ~= t.after then
      begin_room(t.room, true)
      say_anew(t.room)
      keep_room(t.room)
    end
    return
  end
  local data = '{"user":' .. t.user .. '}'
  if t.broadcast ~= '' then
    data = '{"broadcast":' .. t.broadcast
    if t.reason ~= '' then data = data .. ',"reason":"' .. t.reason .. '"' end
    if t['until'] ~= '' then data = data .. ',"until":' .. t['until'] end
    data = data .. '}'
  end
  say(t.room, t.kind, '', t.at, data, t.after)
end

local entries = redis.call('XRANGE', KEYS[1], int(tonumber(cursor) + 1) .. '-0', '+', 'COUNT', most)
for _, entry in ipairs(entries) do
  local t = {}
  for i = 1, #entry[2], 2 do t[entry[2][i]] = entry[2][i + 1] end
  cursor = string.match(entry[1], '^%d+')
  if t.room then tell(tonumber(cursor), t) end
end
if #entries > 0 then redis.call('HSET', KEYS[2], name, cursor) end
return { 'ok', #entries }
