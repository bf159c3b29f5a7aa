-- made(key, mode): whether this write makes the key; asked only for ttl_from='first', else false.
local function made(key, mode)
  return mode == 'first' and redis.call('EXISTS', key) == 0
end

-- arm(key, ttl, mode, new): give the key its ttl: always, or with 'first' only when the key is new.
local function arm(key, ttl, mode, new)
  if ttl ~= '0' and (mode == 'last' or new) then redis.call('PEXPIRE', key, ttl) end
end
