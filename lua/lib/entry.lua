-- number(text, from, to): the big-endian number in these bytes.
local function number(text, from, to)
  local sum = 0
  for i = from, to do sum = sum * 256 + string.byte(text, i) end
  return sum
end

-- read_entry(data): grace in ms and the joined stamps of an entry; nil for bytes that only begin like an entry.
local function read_entry(data)
  if string.byte(data, 1) ~= 192 then return 0, '' end
  if #data < 18 then return nil end
  local count = number(data, 9, 10)
  if #data < 18 + 8 * count then return nil end
  return number(data, 3, 8), string.sub(data, 19, 18 + 8 * count)
end

-- usable(key, current): the entry under the key with its grace and ttl, if the entry is fresh and was made under
-- these stamps; else nil.
local function usable(key, current)
  local data = redis.call('GET', key)
  if not data then return nil end
  local grace, made = read_entry(data)
  if not grace or made ~= current then return nil end
  if string.byte(data, 1) == 192 and string.byte(data, 2) ~= 0 then return nil end
  local left = redis.call('PTTL', key)
  if grace > 0 and left >= 0 and left <= grace then return nil end
  return data, grace, left
end

-- outdate(first): drop the leases KEYS[first..]: computations that run are too late.
local function outdate(first)
  for i = first, #KEYS do redis.call('DEL', KEYS[i]) end
end

-- write(key, data, ttl, grace, left): store bytes with that ttl in ms, '0' none. With left and grace (of the old
-- value) store them for as long as the old value would be fresh, and without a grace.
local function write(key, data, ttl, grace, left)
  if left and (left < 0 or grace == 0) then
    redis.call('SET', key, data, 'KEEPTTL')
  elseif left then
    redis.call('SET', key, data, 'PX', left - grace)
  elseif ttl == '0' then
    redis.call('SET', key, data)
  else
    redis.call('SET', key, data, 'PX', ttl)
  end
end
