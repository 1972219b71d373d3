-- Every delivered row of woocommerce.orders, typed; one row per delivered order line, unreadable ones with the reason.
-- The plugin writes a decimal point, or the decimal comma of the shop.
{{ delivery_log('woocommerce', 'orders', [
    [quoted('Order Number'), 'text', {'required': true}],
    [quoted('Order Status'), 'text', {'required': true}],
    [quoted('Order Date'), 'timestamp', {'required': true, 'time_zone': var('time_zone')}],
    ['Currency', 'text', {'required': true}],
    [quoted('Order Total Amount'), 'decimal', {'required': true, 'decimal': 'either'}],
    [quoted('Order Refund Amount'), 'decimal', {'decimal': 'either'}],
    [quoted('Item Name'), 'text'],
    ['SKU', 'text'],
    ['Quantity', 'decimal', {'decimal': 'either'}],
    [quoted('Order Line (w/o tax)'), 'decimal', {'decimal': 'either'}],
    [quoted('Order Line Subtotal'), 'decimal', {'decimal': 'either'}],
    [quoted('Order Line Tax'), 'decimal', {'decimal': 'either'}],
    [quoted('Email (Billing)'), 'text'],
    [quoted('First Name (Billing)'), 'text'],
    [quoted('Last Name (Billing)'), 'text'],
    [quoted('Country Code (Billing)'), 'text'],
    [quoted('Country Code (Shipping)'), 'text'],
]) }}
