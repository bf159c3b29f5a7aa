-- entry_clear: remove a value with its guard and lease, if it is the value that is asked for; tell whether it counted
-- KEYS[1] the entry
-- KEYS[2] its guard
-- KEYS[3] its lease
-- KEYS[4..] the tags
-- ARGV[1] any or same
-- ARGV[2] same: the value, without the metadata of an entry
-- ARGV[3..] where the tags are in other slots: their stamps, and stamps that count no more
-- returns {'ok'} | {'missing'} | {'other'} | {'stale', stamps}
-- writes KEYS[1], KEYS[2]
-- decides when ARGV[1] is same
-- empty {'missing'}
-- @include lib/entry
-- @include lib/tags
-- @include lib/overtaken
local current, counts = known(4, 3), false
local other = overtaken(KEYS[1], current, #KEYS < 4 and ARGV[4])
if other then return {'stale', other} end
if ARGV[1] == 'same' then
  local data = usable(KEYS[1], current)
  if not data then return {'missing'} end
  if string.byte(data, 1) == 192 then data = string.sub(data, 19 + #current) end
  if data ~= ARGV[2] then return {'other'} end
  counts = true
else
  -- The beginning says whether it counts, so a large value is not read. What is no text counts: it is in the way.
  local head, left = redis.pcall('GETRANGE', KEYS[1], 0, 17 + #current), redis.call('PTTL', KEYS[1])
  if type(head) == 'table' then
    counts = true
  elseif left ~= -2 then
    local grace, made = read_entry(head)
    local soft = grace and (grace == 0 or left < 0 or left > grace)
    local value = string.byte(head, 1) ~= 192 or string.byte(head, 2) == 0
    counts = soft and value and made == current
  end
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return counts and {'ok'} or {'missing'}
