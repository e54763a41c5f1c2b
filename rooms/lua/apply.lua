-- Apply: moves transitions that no room was told of yet into their rooms. ARGV[8] how many at most.
-- Returns ok and how many were moved.
return { 'ok', apply(ARGV[8]) }
