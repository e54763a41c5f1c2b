-- Apply: moves transitions that no room was told of yet into their rooms, each once, whoever calls how often.
-- KEYS[1] presence's log of the partition, [2] presence's hash of its followers. ARGV[6] our name among them, whose
-- position is the cursor, [7] how many to move at most. Returns how many were moved.
local name, most = ARGV[6], ARGV[7]

local cursor = redis.call('HGET', KEYS[2], name) or '0'
local entries = redis.call('XRANGE', KEYS[1], int(tonumber(cursor) + 1) .. '-0', '+', 'COUNT', most)
for _, entry in ipairs(entries) do
  local t = {}
  for i = 1, #entry[2], 2 do t[entry[2][i]] = entry[2][i + 1] end
  local data = '{"user":' .. t.user .. '}'
  if t.broadcast ~= '' then
    data = '{"broadcast":' .. t.broadcast
    if t.reason ~= '' then data = data .. ',"reason":"' .. t.reason .. '"' end
    if t['until'] ~= '' then data = data .. ',"until":' .. t['until'] end
    data = data .. '}'
  end
  say(t.room, t.kind, '', t.at, data, t.after)
  cursor = string.match(entry[1], '^%d+')
end
if #entries > 0 then redis.call('HSET', KEYS[2], name, cursor) end
return #entries
