-- Report: how many viewers a node has in a room, and what it knows of the audience of a broadcast there.
-- KEYS[1] base .. 'viewers', hash: <node> <room> -> number, and the broadcast that they watch, if any.
-- ARGV[1] base, [2] node, [3] room, [4] number, [5] broadcast or '', [6] over if it is, else '',
-- [7] ms that were watched of it on this node, [8] how many have watched since, [9] and for how many ms they have,
-- [10] number of this report, which grows, [11] ms that an audience is kept, [12…] users who came: a thousand, which unpack
-- takes safely.
-- Two more keys are the broadcast's audience: base .. 'audience:' .. broadcast, a hash of
--   node -> ms watched, viewers who watched on, Unix ms since when, Unix ms until when or 0 (clear.lua), number of the report
-- and base .. 'distinct:' .. broadcast, the users as PFADD keeps them.
local base, node, room, number, broadcast, over, watched, watching, ago, report, kept = unpack(ARGV, 1, 11)
local value = number

if broadcast ~= '' then
  local audience, distinct = base .. 'audience:' .. broadcast, base .. 'distinct:' .. broadcast
  local last = string.match(redis.call('HGET', audience, node) or '', '%d+$')
  -- Redis, or the way to it, was slow: the node gave this up and has said something newer since.
  if last and tonumber(last) > tonumber(report) then return 'ok' end
  local time = redis.call('TIME')
  local since = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - ago)
  redis.call('HSET', audience, node, watched .. ' ' .. watching .. ' ' .. since .. ' 0 ' .. report)
  if #ARGV > 11 then redis.call('PFADD', distinct, unpack(ARGV, 12)) end
  for _, key in ipairs({ audience, distinct }) do
    if over == '' then
      redis.call('PEXPIRE', key, kept)
    else
      redis.call('PEXPIRE', key, kept, 'NX') -- who has asked for it already has shortened that
    end
  end
  if over == '' then value = number .. ' ' .. broadcast end
end

local field = node .. ' ' .. room
if number == '0' then
  redis.call('HDEL', KEYS[1], field)
else
  redis.call('HSET', KEYS[1], field, value)
end
redis.call('SPUBLISH', base .. 'counts', field .. ' ' .. number)
return 'ok'
