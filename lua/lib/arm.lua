-- made(key, mode): does the key have to be made, as far as ttl_from='first' asks?
local function made(key, mode)
  return mode == 'first' and redis.call('EXISTS', key) == 0
end

-- arm(key, ttl, mode, new): give the key its ttl: always, or with 'first' only when it is new.
local function arm(key, ttl, mode, new)
  if ttl ~= '0' and (mode == 'last' or new) then redis.call('PEXPIRE', key, ttl) end
end
