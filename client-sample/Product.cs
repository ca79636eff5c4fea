using System.Text.Json;
using System.Text.Json.Serialization;

namespace Levee.ClientSample;

/// <summary>A product of the catalogue.</summary>
/// <param name="Id">1 to <see cref="Origin.ProductCount"/>.</param>
/// <param name="Name">What it is called.</param>
/// <param name="Category">One of <see cref="Origin.Categories"/>.</param>
/// <param name="Price">In the shop's currency, 0 or more.</param>
/// <param name="Description">Some text, so that a product is about 600 bytes.</param>
public sealed record Product(int Id, string Name, string Category, decimal Price, string Description);

/// <summary>What of a product can be changed.</summary>
/// <param name="Price">The new price, 0 or more.</param>
public sealed record ProductUpdate(decimal Price);

/// <summary>Products as the JSON that is cached and sent.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Product))]
[JsonSerializable(typeof(Product[]))]
[JsonSerializable(typeof(ProductUpdate))]
[JsonSerializable(typeof(Report))]
internal sealed partial class CatalogueJson : JsonSerializerContext;
