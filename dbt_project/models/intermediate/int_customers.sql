-- Customers of every enabled source; one row per customer.
-- If several sources deliver a customer, the version that was written last.
{{ newest_of_sources('customers', 'customer_id', updated='updated_at') }}
